// The LMDB store: durable records of which every commit is synced, for accounts, secrets, share ACLs and persistent handles.
//
// One writer at a time over all processes: fetch_locked and begin wait for it, and every record of the environment shares that one lock.
// Readers never wait. Without begin() each store or remove is a transaction with its own sync; a record held outside a transaction is the
// only one of its environment, and try_fetch_locked beside any other held record is Code::unsupported, for LMDB cannot try its lock.
// A transaction from begin() that fills the map fails with Code::no_space, and the next begin() makes the map larger.
// An environment belongs to the process that opened it (asserted): not usable in a child of a fork.
// Keys are 1 to 511 bytes (LMDB's limit): longer or empty ones are Code::invalid.
//
// Whoever writes often does not write here but through the committer (tdb/committer), which makes one commit of what many ask for.
#pragma once

#include <memory>
#include <string>

#include "tdb/database.h"
#include "tdb/lmdb/environment.h"

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
    // The unnamed database of a file of its own. A process opens a file at most once (Code::busy otherwise; LMDB's own rule).
    static Result<std::unique_ptr<LmdbDatabase>> open(const LmdbOptions& options);
    // A named one beside others in an environment (empty: the unnamed one); made if it is not there and the environment can be written,
    // else Code::not_found. At most limits::max_lmdb_databases.
    static Result<std::unique_ptr<LmdbDatabase>> open(std::shared_ptr<LmdbEnvironment> environment, const std::string& name, Rank rank);

    // As parse, but allowed whatever records are held: a reader waits for nobody, so it has no place in the order of locks.
    Result<bool> read(Bytes key, Parser parser) { return do_parse(key, parser); }

    // The number of the environment's last commit.
    Result<uint32_t> sequence_number() override;
    Result<void> wipe() override;
    // Asserts: the child opens its own.
    Result<void> reopen_after_fork() override;
    [[nodiscard]] bool has_transactions() const override { return true; }
    // They are the environment's: one for all its databases.
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
    LmdbDatabase(std::shared_ptr<LmdbEnvironment> environment, unsigned dbi, std::string name, Rank rank)
        : Database(std::move(name), rank), environment_(std::move(environment)), dbi_(dbi) {}
    Result<bool> copy_batch(Buffer& batch, Buffer& last_key);

    std::shared_ptr<LmdbEnvironment> environment_;
    unsigned dbi_;
};

}  // namespace Atoll::tdb
