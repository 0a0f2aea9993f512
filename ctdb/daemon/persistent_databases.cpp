#include "ctdb/daemon/persistent_databases.h"

#include <dirent.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>

#include "base/log.h"
#include "ctdb/daemon/database_names.h"

namespace Atoll::ctdb {
namespace {

[[noreturn]] void end_for(const Error& error) {
    log_error("ends: {}", error.message());
    std::_Exit(EXIT_FAILURE);
}

// Of the files in a directory, without their common ending.
Result<std::vector<std::string>> names_in(const std::string& directory, const std::string& ending) {
    DIR* listing = ::opendir(directory.c_str());
    if (listing == nullptr) return fail_errno(errno, directory, "cannot read the directory");
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(listing)) {
        const std::string name = entry->d_name;
        if (name.size() > ending.size() && name.ends_with(ending)) names.push_back(name.substr(0, name.size() - ending.size()));
    }
    ::closedir(listing);
    return names;
}

}  // namespace

class PersistentDatabases::Write final : public loop::Job {
 public:
    Write(PersistentDatabases& databases, const WritePersistent& write, PersistentFile* file)
        : databases_(databases), write_(write), file_(file) {}

    void run() override {
        if (file_ == nullptr) return;
        const auto done = file_->write(write_.kind, write_.after, write_.writes);
        ok_ = done.ok();
        if (!done) why_ = done.error().message();
    }
    void done() override {
        if (!ok_) log_error("a persistent database cannot be written: {}", file_ != nullptr ? why_ : "it has no name here");
        const PersistentWritten written{write_.ticket, ok_};
        PersistentDatabases& databases = databases_;
        databases.writes_.erase(written.ticket);
        databases.written_(written);
    }

 private:
    PersistentDatabases& databases_;
    const WritePersistent write_;
    PersistentFile* const file_;
    bool ok_ = false;
    std::string why_;
};

Result<std::unique_ptr<PersistentDatabases>> PersistentDatabases::open(const std::string& directory, const std::string& volatile_directory,
                                                                       Pnn pnn) {
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno(errno, directory, "cannot make the directory");
    std::unique_ptr<PersistentDatabases> databases(new PersistentDatabases(directory, volatile_directory, pnn));
    const auto names = names_in(directory, "." + std::to_string(pnn));
    if (!names) return names.failure();
    for (const std::string& name : *names) {
        if (auto attached = databases->attach(name, Lifetime::persistent); !attached) return attached.failure();
    }
    return databases;
}

Result<bool> PersistentDatabases::attach(const std::string& name, Lifetime lifetime) {
    if (!is_database_name(name)) return fail(Code::invalid, name, "is no name of a database");
    const DatabaseId id = id_of_database(name);
    const auto found = databases_.find(id);
    if (found != databases_.end()) {
        if (found->second.name != name) return fail(Code::invalid, name, "has the same number as " + found->second.name);
        if (found->second.lifetime != lifetime)
            return fail(Code::invalid, name, replicated(id) ? "is a replicated database" : "is a persistent database");
        return false;
    }
    if (databases_.size() >= protocol::MAX_PERSISTENT) return fail(Code::no_space, name, "there are too many databases");
    const std::string& directory = lifetime == Lifetime::persistent ? directory_ : volatile_directory_;
    const std::string path = directory + "/" + name + "." + std::to_string(pnn_);
    auto file = PersistentFile::open(path, id, lifetime);
    if (!file) return file.failure();
    databases_[id] = Opened{name, path, lifetime, std::move(*file)};
    return true;
}

PersistentDatabases::PersistentDatabases(std::string directory, std::string volatile_directory, Pnn pnn)
    : directory_(std::move(directory)), volatile_directory_(std::move(volatile_directory)), pnn_(pnn) {}
PersistentDatabases::~PersistentDatabases() = default;

std::vector<PersistentDatabases::Entry> PersistentDatabases::entries() const {
    std::vector<Entry> all;
    for (const auto& [id, opened] : databases_) all.push_back({id, opened.name, opened.path, replicated(id)});
    return all;
}

void PersistentDatabases::start(loop::Loop& loop, Written written) {
    written_ = std::move(written);
    writer_ = std::make_unique<loop::WorkerPool>(loop, 1);
}

void PersistentDatabases::write(const WritePersistent& write) {
    const auto found = databases_.find(write.after.database);
    auto job = std::make_unique<Write>(*this, write, found != databases_.end() ? found->second.file.get() : nullptr);
    writer_->submit(*(writes_[write.ticket] = std::move(job)));
}

bool PersistentDatabases::replicated(DatabaseId id) const {
    const auto found = databases_.find(id);
    return found != databases_.end() && found->second.lifetime == Lifetime::replicated;
}

std::vector<holding> PersistentDatabases::holdings() const {
    std::vector<holding> all;
    for (const auto& [id, opened] : databases_) all.push_back(opened.file->held());
    return all;
}

Writes PersistentDatabases::last_writes(DatabaseId database) const {
    auto writes = file(database).last_writes();
    if (!writes) end_for(writes.error());
    return std::move(*writes);
}

void PersistentDatabases::each(DatabaseId database, const std::function<void(const protocol::record_write&)>& visit) const {
    if (!knows(database)) return;
    const auto done = file(database).each({}, [&](Bytes key, Bytes value) {
        visit(protocol::record_write{{key.begin(), key.end()}, {value.begin(), value.end()}});
        return true;
    });
    if (!done) end_for(done.error());
}

}  // namespace Atoll::ctdb
