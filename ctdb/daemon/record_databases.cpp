#include "ctdb/daemon/record_databases.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>

#include "base/log.h"
#include "ctdb/daemon/database_names.h"
#include "ctdb/daemon/limits.h"
#include "ctdb/daemon/persistent_file.h"
#include "ctdb/shared/copy_format.h"
#include "tdb/file/file_database.h"

namespace Atoll::ctdb {
namespace {

[[noreturn]] void end_for(const std::string& text) {
    log_error("ends: {}", text);
    std::_Exit(EXIT_FAILURE);
}

// What the core believes to have stored must be there: a node that cannot keep its records leaves at once.
void must(const Result<void>& done) {
    if (!done) end_for(done.error().message());
}

}  // namespace

Result<std::unique_ptr<RecordDatabases>> RecordDatabases::open(const std::string& directory, Pnn pnn, bool mutexes) {
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno(errno, directory, "cannot make the directory");
    return std::unique_ptr<RecordDatabases>(new RecordDatabases(directory, pnn, mutexes));
}

Result<bool> RecordDatabases::attach(const std::string& name, protocol::database_flags flags) {
    if (!is_database_name(name)) return fail(Code::invalid, name, "is no name of a database");
    const uint32_t id = id_of_database(name);
    const auto found = databases_.find(id);
    if (found != databases_.end()) {
        if (found->second.name != name) return fail(Code::invalid, name, "has the same number as " + found->second.name);
        if (found->second.flags != flags)
            return fail(Code::invalid, name, "is there already, and is used in another way (mirrored or not, slots in its keys or not)");
        return false;
    }
    if (databases_.size() >= protocol::MAX_DATABASES) return fail(Code::no_space, name, "there are too many databases");
    tdb::FileOptions options;
    options.path = directory_ + "/" + name + "." + std::to_string(pnn_);
    PersistentFile::remove_replicated(options.path);
    options.clear_if_first = true;
    options.count_changes = true;
    options.hash_size = limits::record_chains;
    options.on_long_wait = stands_still_;
    options.locks = mutexes_ ? tdb::LockMode::mutex : tdb::LockMode::fcntl;
    auto file = tdb::FileDatabase::open(options);
    if (!file) return file.failure();
    // It may be open still, in processes that used it with a former daemon.
    if (auto wiped = (*file)->wipe(); !wiped) return wiped.failure();
    detached_.erase(id);
    databases_[id] = Opened{name, options.path, flags, std::move(*file), false, false};
    return true;
}

// Whoever has the file open finds it empty, and asks the daemon for each record.
Result<void> RecordDatabases::detach(uint32_t id) {
    const auto found = databases_.find(id);
    if (found == databases_.end()) return fail(Code::not_found, "detach", "there is no such database");
    for (const auto& keys : keys_) {
        for (const RecordKey& key : keys) {
            Copy copy;
            if (key.database == id && read(key, copy) && copy.holder != 0) return fail(Code::busy, found->second.name, "is in use");
        }
    }
    for (auto& keys : keys_) std::erase_if(keys, [&](const RecordKey& key) { return key.database == id; });
    must(found->second.file->wipe());
    ::unlink(found->second.path.c_str());
    databases_.erase(found);
    detached_.insert(id);
    return {};
}

size_t RecordDatabases::count(uint32_t id) const {
    size_t count = 0;
    for (const auto& keys : keys_) {
        count += static_cast<size_t>(std::count_if(keys.begin(), keys.end(), [&](const RecordKey& key) { return key.database == id; }));
    }
    return count;
}

uint32_t RecordDatabases::find(const std::string& name_or_id) const {
    const uint32_t by_name = id_of_database(name_or_id);
    const auto found = databases_.find(by_name);
    if (found != databases_.end() && found->second.name == name_or_id) return by_name;
    if (name_or_id.rfind("0x", 0) != 0) return 0;
    uint32_t id = 0;
    const char* end = name_or_id.data() + name_or_id.size();
    const auto [at, error] = std::from_chars(name_or_id.data() + 2, end, id, 16);
    return error == std::errc() && at == end && databases_.contains(id) ? id : 0;
}

std::vector<RecordDatabases::Entry> RecordDatabases::entries() const {
    std::vector<Entry> all;
    for (const auto& [id, opened] : databases_) all.push_back({id, opened.name, opened.path, opened.lends, opened.sticks});
    return all;
}

protocol::catalogue RecordDatabases::catalogue() const {
    protocol::catalogue names;
    for (const auto& [id, opened] : databases_) names.databases.push_back({opened.name, opened.flags});
    return names;
}

bool RecordDatabases::mirrored(uint32_t id) const {
    const auto found = databases_.find(id);
    return found != databases_.end() && any(found->second.flags & protocol::database_flags::DATABASE_MIRRORED);
}

bool RecordDatabases::lends(uint32_t id) const {
    const auto found = databases_.find(id);
    return found != databases_.end() && found->second.lends;
}

bool RecordDatabases::sticks(const RecordKey& key) const {
    const auto found = databases_.find(key.database);
    return found != databases_.end() && found->second.sticks;
}

bool RecordDatabases::read(const RecordKey& key, Copy& copy) const {
    const auto found = databases_.find(key.database);
    if (found == databases_.end()) return false;
    bool good = true;
    const auto read = found->second.file->parse(key.key, [&](Bytes value) { good = read_copy(value, copy); });
    if (!read) end_for(read.error().message());
    if (!good) end_for("a process of this node has damaged a record of " + found->second.name);
    return *read;
}

void RecordDatabases::write(const RecordKey& key, const Copy& copy) {
    const auto found = databases_.find(key.database);
    if (found == databases_.end()) return;
    write_copy(copy, copy.value, buffer_);
    must(found->second.file->store(key.key, buffer_));
    keys_[slot_of(key)].insert(key);
}

bool RecordDatabases::replace(const RecordKey& key, const Copy& seen, const Copy& next) {
    const auto found = databases_.find(key.database);
    ATOLL_ASSERT(found != databases_.end());
    auto record = found->second.file->fetch_locked(key.key);
    if (!record) end_for(record.error().message());
    Copy present;
    if (!record->exists() || !read_copy(record->value(), present))
        end_for("a process of this node has damaged a record of " + found->second.name);
    if (present != seen) return false;
    write_copy(next, next.value, buffer_);
    must(record->store(buffer_));
    return true;
}

bool RecordDatabases::remove(const RecordKey& key, const Copy& seen) {
    const auto found = databases_.find(key.database);
    ATOLL_ASSERT(found != databases_.end());
    auto record = found->second.file->fetch_locked(key.key);
    if (!record) end_for(record.error().message());
    Copy present;
    if (!record->exists() || !read_copy(record->value(), present) || present != seen) return false;
    must(record->remove());
    keys_[slot_of(key)].erase(key);
    return true;
}

Slot RecordDatabases::slot_of(const RecordKey& key) const {
    const auto found = databases_.find(key.database);
    const bool in_key = found != databases_.end() && any(found->second.flags & protocol::database_flags::DATABASE_SLOT_IN_KEY);
    return in_key ? slot_in_key(key.database, key.key, protocol::SLOTS) : ctdb::slot_of(key.database, key.key, protocol::SLOTS);
}

void RecordDatabases::each(Slot slot, const std::function<void(const RecordKey&, const Copy&)>& visit) const {
    Copy copy;
    for (const RecordKey& key : keys_[slot]) {
        if (read(key, copy)) visit(key, copy);
    }
}

void RecordDatabases::each_mirrored(Slot slot, const std::function<void(const RecordKey&, const Copy&)>& visit) const {
    Copy copy;
    for (const auto& [id, opened] : databases_) {
        if (!any(opened.flags & protocol::database_flags::DATABASE_MIRRORED)) continue;
        for (auto at = keys_[slot].lower_bound(id); at != keys_[slot].end() && at->database == id; ++at) {
            if (read(*at, copy)) visit(*at, copy);
        }
    }
}

void RecordDatabases::clear() {
    for (auto& [id, opened] : databases_) must(opened.file->wipe());
    for (auto& keys : keys_) keys.clear();
}

}  // namespace Atoll::ctdb
