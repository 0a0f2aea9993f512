// The LMDB store: durable records of which every commit is synced, for accounts, secrets, share ACLs and persistent handles.
//
// One writer at a time over all processes: fetch_locked and begin wait for it, and every record of the database shares that one lock.
// Readers never wait. Without begin() each store or remove is a transaction with its own sync; a record held outside a transaction is the
// only one of its database, and try_fetch_locked beside any other held record is Code::unsupported, for LMDB cannot try its lock.
// A transaction from begin() that fills the map fails with Code::no_space, and the next begin() makes the map larger.
// An environment belongs to the process that opened it (asserted): not usable in a child of a fork.
// Keys are 1 to 511 bytes (LMDB's limit): longer or empty ones are Code::invalid.
#pragma once

#include <memory>
#include <string>

#include "tdb/database.h"

struct MDB_env;
struct MDB_txn;

namespace Atoll::tdb {

struct LmdbOptions {
    std::string path = {};  // of the data file; "<path>-lock" stands beside it
    Rank rank = Rank::none;
    bool create = true;
    bool read_only = false;
    uint64_t map_size = 256u << 20;  // bytes of address space to begin with; doubles as it fills, up to limits::max_lmdb_map
    unsigned mode = 0600;
};

class LmdbDatabase final : public Database {
 public:
    // A process opens a file at most once (Code::busy otherwise; LMDB's own rule).
    static Result<std::unique_ptr<LmdbDatabase>> open(const LmdbOptions& options);
    ~LmdbDatabase() override;

    // The number of the last commit.
    Result<uint32_t> sequence_number() override;
    Result<void> wipe() override;
    // Asserts: the child opens its own.
    Result<void> reopen_after_fork() override;
    [[nodiscard]] bool has_transactions() const override { return true; }
    Result<void> begin() override;
    Result<void> commit() override;
    void cancel() override;

 protected:
    Result<bool> do_parse(Bytes key, Parser parser) override;
    Result<void> do_store(Bytes key, Bytes value, StoreMode mode) override;
    Result<bool> do_remove(Bytes key) override;
    Result<uint64_t> do_traverse(Visitor visitor) override;
    Result<void> do_lock(HeldRecord& held, bool wait) override;
    void do_unlock(HeldRecord& held) noexcept override;
    [[nodiscard]] bool locked_exists(const HeldRecord& held) const override;
    [[nodiscard]] Bytes locked_value(const HeldRecord& held) const override;
    Result<void> locked_store(HeldRecord& held, Bytes value) override;
    Result<void> locked_remove(HeldRecord& held) override;

 private:
    LmdbDatabase(std::string path, Rank rank) : Database(std::move(path), rank) {}
    Result<void> open_environment(const LmdbOptions& options);
    Failure<Error> lmdb_failed(int outcome, const char* what) const;
    Result<void> refuse_second_open();
    void assert_own() const;
    Result<void> begin_write();
    Result<void> commit_write();
    void abort_write();
    Result<void> grow();
    Result<void> grow_if_near_full();
    // Begins and ends a reader's view; inside a write transaction, that one is the view.
    Result<MDB_txn*> view();
    void end_view(MDB_txn* transaction);
    // Does `change` in the open transaction, or in one of its own that is begun again in a larger map when the map is full.
    Result<void> write(FunctionRef<int(MDB_txn*)> change, const char* what);
    Result<bool> copy_batch(Buffer& batch, Buffer& last_key);

    MDB_env* environment_ = nullptr;
    unsigned dbi_ = 0;
    MDB_txn* writer_ = nullptr;  // the open write transaction, of begin() or of a held record
    MDB_txn* reader_ = nullptr;  // kept between reads, reset
    bool explicit_ = false;      // writer_ was begun by begin()
    bool was_full_ = false;      // a transaction from begin() found the map full
    bool read_only_ = false;
    int owner_ = 0;  // pid
    uint64_t device_ = 0;
    uint64_t inode_ = 0;
};

}  // namespace Atoll::tdb
