#include "tdb/committer/durable_store.h"

#include <map>
#include <utility>

#include "base/loop/identity.h"
#include "tdb/lmdb/lmdb_database.h"

namespace Atoll::committer {
namespace {

// What HeldRecord::cookie[0] says of a record that is held.
enum There : uint64_t { absent, present };

class CommittedDatabase final : public tdb::Database {
 public:
    CommittedDatabase(DurableStore& store, std::string name, tdb::Rank rank) : Database(std::move(name), rank), store_(store) {}

    Result<uint32_t> sequence_number() override {
        return store_.reader().sequence_number(name());
    }

    Result<void> wipe() override {
        ATOLL_ASSERT(!any_held());
        Batch batch;
        batch.wipe(name());
        return store_.commits().commit(batch);
    }

    Result<void> reopen_after_fork() override {
        ATOLL_ASSERT(false && "an LMDB environment is never used across fork");
        return {};
    }

 protected:
    Result<bool> do_parse(Bytes key, tdb::Parser parser) override {
        return store_.reader().read(name(), key, parser);
    }

    Result<void> do_store(Bytes key, Bytes value, tdb::StoreMode mode) override {
        Batch batch;
        if (mode == tdb::StoreMode::insert) {
            batch.insert(name(), key, value);
        } else if (mode == tdb::StoreMode::modify) {
            batch.modify(name(), key, value);
        } else {
            batch.store(name(), key, value);
        }
        return store_.commits().commit(batch);
    }

    Result<bool> do_remove(Bytes key) override {
        Batch batch;
        batch.expect_present(name(), key);
        batch.remove(name(), key);
        if (auto done = store_.commits().commit(batch); !done) {
            if (done.error().code == Code::not_found) return false;
            return done.failure();
        }
        return true;
    }

    Result<uint64_t> do_traverse(tdb::Visitor visitor) override {
        return store_.reader().traverse(name(), visitor);
    }

    Result<void> do_lock(tdb::HeldRecord& held, bool /*wait*/) override {
        held.value.clear();
        auto found = do_parse(held.key, [&held](Bytes value) { held.value.assign(value); });
        if (!found) return found.failure();
        held.cookie[0] = *found ? present : absent;
        return {};
    }

    void do_unlock(tdb::HeldRecord&) noexcept override {}
    [[nodiscard]] bool locked_exists(const tdb::HeldRecord& held) const override { return held.cookie[0] == present; }
    [[nodiscard]] Bytes locked_value(const tdb::HeldRecord& held) const override { return held.value; }

    Result<void> locked_store(tdb::HeldRecord& held, Bytes value) override {
        Buffer changed;
        changed.assign(value);  // it may be the held one
        Batch batch;
        expect_unchanged(batch, held);
        batch.store(name(), held.key, changed);
        if (auto done = store_.commits().commit(batch); !done) return changed_meanwhile(done.error());
        held.value = std::move(changed);
        held.cookie[0] = present;
        return {};
    }

    Result<void> locked_remove(tdb::HeldRecord& held) override {
        if (held.cookie[0] == absent) return {};
        Batch batch;
        expect_unchanged(batch, held);
        batch.remove(name(), held.key);
        if (auto done = store_.commits().commit(batch); !done) return changed_meanwhile(done.error());
        held.value.clear();
        held.cookie[0] = absent;
        return {};
    }

 private:
    void expect_unchanged(Batch& batch, const tdb::HeldRecord& held) const {
        if (held.cookie[0] == present) {
            batch.expect(name(), held.key, held.value);
        } else {
            batch.expect_absent(name(), held.key);
        }
    }

    Failure<Error> changed_meanwhile(const Error& error) const {
        if (error.code != Code::exists && error.code != Code::not_found) return Failure<Error>(error);
        return failed(Code::busy, "the record has been changed");
    }

    DurableStore& store_;
};

// The LMDB file, which is opened when it is first read and is root's alone.
class FileReader final : public DurableReader {
 public:
    explicit FileReader(std::string path) : path_(std::move(path)) {}

    Result<bool> read(const std::string& database, Bytes key, tdb::Parser parser) override {
        auto opened = open(database);
        if (!opened) return opened.failure();
        return (*opened)->read(key, parser);
    }
    Result<uint64_t> traverse(const std::string& database, tdb::Visitor visitor) override {
        auto opened = open(database);
        if (!opened) return opened.failure();
        return (*opened)->traverse(visitor);
    }
    Result<uint32_t> sequence_number(const std::string& database) override {
        auto opened = open(database);
        if (!opened) return opened.failure();
        return (*opened)->sequence_number();
    }

 private:
    // Code::not_found: the committer has never run, or was never told of it.
    Result<tdb::LmdbDatabase*> open(const std::string& name) {
        const auto found = databases_.find(name);
        if (found != databases_.end()) return found->second.get();
        if (auto there = open_environment(); !there) return there.failure();
        auto opened = tdb::LmdbDatabase::open(environment_, name, tdb::Rank::none);
        if (!opened) return opened.failure();
        return databases_.emplace(name, std::move(*opened)).first->second.get();
    }
    Result<void> open_environment() {
        if (environment_) return {};
        const loop::RootScope root;
        tdb::LmdbEnvironmentOptions options;
        options.path = path_;
        options.read_only = true;
        auto opened = tdb::LmdbEnvironment::open(options);
        if (!opened) return opened.failure();
        environment_ = std::move(*opened);
        return {};
    }

    const std::string path_;
    std::shared_ptr<tdb::LmdbEnvironment> environment_;
    std::map<std::string, std::unique_ptr<tdb::LmdbDatabase>, std::less<>> databases_;
};

}  // namespace

std::string database_path(const std::string& state_directory) { return state_directory + "/persistent.mdb"; }

std::string socket_path(const std::string& lock_directory) { return lock_directory + "/committer.sock"; }

DurableStore::DurableStore(const std::string& state_directory, const std::string& lock_directory, loop::Loop* loop)
    : DurableStore(std::make_unique<FileReader>(database_path(state_directory)), socket_path(lock_directory), loop) {}

DurableStore::DurableStore(std::unique_ptr<DurableReader> reader, std::string committer_socket, loop::Loop* loop)
    : reader_(std::move(reader)), client_(std::move(committer_socket), loop) {}

std::unique_ptr<tdb::Database> DurableStore::database(const std::string& name, tdb::Rank rank) {
    return std::make_unique<CommittedDatabase>(*this, name, rank);
}

}  // namespace Atoll::committer
