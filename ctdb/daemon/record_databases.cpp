#include "ctdb/daemon/record_databases.h"

#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>

#include "base/bytes.h"
#include "base/log.h"
#include "tdb/file/file_database.h"

namespace Atoll::ctdb {
namespace {

constexpr uint8_t dmaster_bit = 1;
constexpr uint8_t wanted_bit = 2;

// Of a name with its end: the numbers that administrators know of Samba's databases of the same names.
uint32_t id_of(const std::string& name) {
    const Bytes with_end(reinterpret_cast<const uint8_t*>(name.c_str()), name.size() + 1);
    return tdb::jenkins_hash(with_end);
}

bool is_name(const std::string& name) {
    return !name.empty() && name.size() <= protocol::MAX_DATABASE_NAME && name[0] != '.' &&
           name.find_first_of("/\0\n|:", 0, 5) == name.npos;
}

void write_copy(const Copy& copy, Buffer& out) {
    out.clear();
    ByteWriter writer(out);
    writer.u64(copy.rsn);
    writer.u64(copy.holder);
    writer.u8(static_cast<uint8_t>((copy.dmaster ? dmaster_bit : 0) | (copy.wanted ? wanted_bit : 0)));
    writer.bytes(copy.value);
}

void read_copy(Bytes bytes, Copy& copy) {
    ByteReader reader(bytes);
    copy.rsn = reader.u64();
    copy.holder = reader.u64();
    const uint8_t bits = reader.u8();
    ATOLL_ASSERT(reader.ok());
    copy.dmaster = (bits & dmaster_bit) != 0;
    copy.wanted = (bits & wanted_bit) != 0;
    copy.value.assign(reader.rest().begin(), reader.rest().end());
}

// What the core believes to have stored must be there: a node that cannot keep its records leaves at once.
void must(const Result<void>& done) {
    if (done) return;
    log_error("ends: {}", done.error().message());
    std::_Exit(EXIT_FAILURE);
}

}  // namespace

Result<std::unique_ptr<RecordDatabases>> RecordDatabases::open(const std::string& directory, Pnn pnn, bool mutexes) {
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno(errno, directory, "cannot make the directory");
    return std::unique_ptr<RecordDatabases>(new RecordDatabases(directory, pnn, mutexes));
}

Result<bool> RecordDatabases::attach(const std::string& name) {
    if (!is_name(name)) return fail(Code::invalid, name, "is no name of a database");
    const uint32_t id = id_of(name);
    const auto found = databases_.find(id);
    if (found != databases_.end()) {
        if (found->second.name != name) return fail(Code::invalid, name, "has the same number as " + found->second.name);
        return false;
    }
    if (databases_.size() >= protocol::MAX_DATABASES) return fail(Code::no_space, name, "there are too many databases");
    tdb::FileOptions options;
    options.path = directory_ + "/" + name + "." + std::to_string(pnn_);
    options.clear_if_first = true;
    options.locks = mutexes_ ? tdb::LockMode::mutex : tdb::LockMode::fcntl;
    auto file = tdb::FileDatabase::open(options);
    if (!file) return file.failure();
    databases_[id] = Opened{name, options.path, std::move(*file)};
    return true;
}

uint32_t RecordDatabases::find(const std::string& name_or_id) const {
    const uint32_t by_name = id_of(name_or_id);
    const auto found = databases_.find(by_name);
    if (found != databases_.end() && found->second.name == name_or_id) return by_name;
    if (name_or_id.rfind("0x", 0) != 0) return 0;
    uint32_t id = 0;
    const char* end = name_or_id.data() + name_or_id.size();
    const auto [at, error] = std::from_chars(name_or_id.data() + 2, end, id, 16);
    return error == std::errc() && at == end && knows(id) ? id : 0;
}

std::vector<RecordDatabases::Entry> RecordDatabases::entries() const {
    std::vector<Entry> all;
    for (const auto& [id, opened] : databases_) all.push_back({id, opened.name, opened.path});
    return all;
}

protocol::catalogue RecordDatabases::catalogue() const {
    protocol::catalogue names;
    for (const auto& [id, opened] : databases_) names.names.push_back(opened.name);
    return names;
}

bool RecordDatabases::read(const RecordKey& key, Copy& copy) const {
    const auto found = databases_.find(key.database);
    if (found == databases_.end()) return false;
    const auto read = found->second.file->parse(key.key, [&](Bytes value) { read_copy(value, copy); });
    must(read ? Result<void>() : read.failure());
    return *read;
}

void RecordDatabases::write(const RecordKey& key, const Copy& copy) {
    const auto found = databases_.find(key.database);
    ATOLL_ASSERT(found != databases_.end());
    write_copy(copy, buffer_);
    must(found->second.file->store(key.key, buffer_));
    keys_[slot_of(key, protocol::SLOTS)].insert(key);
}

void RecordDatabases::each(Slot slot, const std::function<void(const RecordKey&, const Copy&)>& visit) const {
    const std::set<RecordKey, KeyLess> keys = keys_[slot];
    for (const RecordKey& key : keys) {
        Copy copy;
        if (read(key, copy)) visit(key, copy);
    }
}

void RecordDatabases::clear() {
    for (auto& [id, opened] : databases_) must(opened.file->wipe());
    for (auto& keys : keys_) keys.clear();
}

}  // namespace Atoll::ctdb
