#include <unistd.h>

#include <cstdlib>

#include "tdb/file/file_database.h"
#include "torture/bench/tdb/store.h"

namespace Atoll::bench {
namespace {

template <class T>
T must(Result<T> result) {
    if (!result) give_up("our library: " + result.error().message());
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

class OurStore final : public Store {
 public:
    explicit OurStore(const StoreOptions& options)
        : database_(must(tdb::FileDatabase::open({.path = options.path,
                                                  .clear_if_first = options.mutexes,
                                                  .locks = options.mutexes ? tdb::LockMode::mutex : tdb::LockMode::fcntl,
                                                  .hash_size = options.hash_size}))) {}

    void after_fork() override { must(database_->reopen_after_fork()); }
    bool fetch(Bytes key) override {
        return must(database_->parse(key, [this](Bytes value) { look_at(value); }));
    }
    void store(Bytes key, Bytes value) override { must(database_->store(key, value)); }
    bool remove(Bytes key) override { return must(database_->remove(key)); }
    void update(Bytes key, Bytes value) override {
        tdb::LockedRecord record = must(database_->fetch_locked(key));
        look_at(record.value());
        must(record.store(value));
    }
    uint64_t traverse() override {
        return must(database_->traverse([this](Bytes, Bytes value) {
            look_at(value);
            return tdb::Visit::go_on;
        }));
    }
    uint64_t traverse_locked() override {
        return must(database_->traverse_locked([this](tdb::LockedRecord& record) {
            look_at(record.value());
            return tdb::Visit::go_on;
        }));
    }
    void transaction(std::span<const Bytes> keys, Bytes value) override {
        must(database_->begin());
        for (const Bytes key : keys) must(database_->store(key, value));
        must(database_->commit());
    }
    uint64_t check() override { return must(database_->check()); }

 private:
    std::unique_ptr<tdb::FileDatabase> database_;
};

}  // namespace

void give_up(const std::string& what) {
    std::fprintf(stderr, "tdbbench: %s\n", what.c_str());
    ::_exit(1);
}

std::unique_ptr<Store> make_ours(const StoreOptions& options) { return std::make_unique<OurStore>(options); }

std::unique_ptr<Store> Store::make(Library library, const StoreOptions& options) {
    ::unlink(options.path.c_str());
    return library == Library::ours ? make_ours(options) : make_debians(options);
}

}  // namespace Atoll::bench
