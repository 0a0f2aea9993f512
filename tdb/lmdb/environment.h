// An LMDB environment: one file, "<path>-lock" beside it, and one or more databases inside. See tdb/lmdb/lmdb_database.h.
//
// Main thread of the process that opened it; not usable in a child of a fork (asserted). One write transaction at a time over all
// processes; readers see the last commit and never wait. A reader that stands still keeps the pages of its commit from being reused.
//
// The map, which is address space and not disk, doubles as it fills. Nobody is stopped by that: other processes follow when they next begin
// to read or write, and what they read meanwhile stays valid.
//
// Errors: Code::no_space (disk full, or limits::max_lmdb_map), io, corrupt, unsupported, denied (read-only), busy (all readers' places
// taken, or this process has the file open), not_found. After any error of a write the last commit is what everybody still sees.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "tdb/function_ref.h"

struct MDB_env;
struct MDB_txn;

namespace Atoll::tdb {

struct LmdbEnvironmentOptions {
    std::string path = {};  // of the data file
    bool create = true;
    bool read_only = false;
    uint64_t map_size = 256u << 20;  // bytes of address space to begin with
    unsigned mode = 0600;
};

class LmdbEnvironment {
 public:
    // A process opens a file at most once (Code::busy otherwise; LMDB's own rule).
    static Result<std::shared_ptr<LmdbEnvironment>> open(const LmdbEnvironmentOptions& options);
    ~LmdbEnvironment();
    LmdbEnvironment(const LmdbEnvironment&) = delete;
    LmdbEnvironment& operator=(const LmdbEnvironment&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] bool is_read_only() const { return read_only_; }

    // What happens between begin and commit, in all databases of the environment, happens at once or not at all. Not nested.
    // begin waits for the writer's lock. After a failed commit nothing of it has happened, and the transaction is over.
    Result<void> begin();
    Result<void> commit();
    void cancel();
    // The transaction before failed because the map was too small: the next begin makes it larger, so trying again helps.
    [[nodiscard]] bool will_grow() const;
    // A write failed in such a way that LMDB refuses all that follow: the process has to open the file anew.
    [[nodiscard]] bool is_broken() const { return broken_; }

    // Frees the places of readers whose processes have ended, so that the pages they pinned are reused. How many there were.
    Result<unsigned> clear_dead_readers();

    // Writes a compact, consistent copy, synced, while others read and write. `path` must not exist (Code::exists); nothing is left there
    // after a failure. While it runs the file grows by what is written meanwhile.
    Result<void> copy_to(const std::string& path);
    // Names of the databases inside; none in a file that has only the unnamed one.
    Result<std::vector<std::string>> database_names();
    // The number of the last commit: each has its own sync.
    [[nodiscard]] uint64_t last_commit() const;
    [[nodiscard]] uint64_t map_size() const;

 private:
    friend class LmdbDatabase;

    explicit LmdbEnvironment(std::string path) : path_(std::move(path)) {}
    Result<void> open_file(const LmdbEnvironmentOptions& options);
    Result<void> refuse_second_open() const;
    Result<unsigned> open_database(const std::string& name);
    void assert_own() const;
    Failure<Error> lmdb_failed(int outcome, const std::string& what);
    [[nodiscard]] int cause_of(int outcome) const;
    Result<void> grow();
    Result<void> grow_if_near_full();
    // Begins a transaction, after following another process that made the map larger.
    int begin_transaction(unsigned flags, MDB_txn** transaction);
    Result<void> begin_write();
    Result<void> commit_write();
    void abort_write();
    // Begins and ends a reader's view; inside a write transaction, that one is the view. One at a time.
    Result<MDB_txn*> view();
    void end_view(MDB_txn* transaction);
    // Does `change` in the open transaction, or in one of its own that is begun again in a larger map when the map is full.
    Result<void> write(FunctionRef<int(MDB_txn*)> change, const char* what);

    std::string path_;
    MDB_env* environment_ = nullptr;
    MDB_txn* writer_ = nullptr;  // the open write transaction, of begin() or of a held record
    MDB_txn* reader_ = nullptr;  // kept between reads, reset
    bool viewing_ = false;       // reader_ is in use
    bool explicit_ = false;      // writer_ was begun by begin()
    bool was_full_ = false;      // a transaction from begin() found the map full
    bool broken_ = false;
    bool read_only_ = false;
    pid_t owner_ = 0;
    uint64_t device_ = 0;
    uint64_t inode_ = 0;
};

}  // namespace Atoll::tdb
