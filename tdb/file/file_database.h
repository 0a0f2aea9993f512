// The file store: TDB version 1, byte for byte what Debian's libtdb reads and writes (docs/formats/tdb.md).
//
// fcntl mode: Debian's programs may work on the file at the same time. A killed writer leaves at worst a little lost space or an old value.
// Mutex mode: for volatile databases; needs clear_if_first. No system call for a read or an uncontended write. A process that dies
// in the middle of whatever it did leaves each record as it was before or as it was to become; the next who comes repairs the rest.
//
// In either mode records that others lock in the same chain share that lock: fetch_locked of one key may wait for another's.
//
// Transactions: one process at a time has one. Until its commit it works in memory of its own, which its fetches, traverses and check see
// and nobody else does; others go on reading, and wait to write. Commit waits for the readers, saves what it replaces in the file's
// recovery area, and replaces it. A process that dies, or a machine that stops, in the middle of that leaves a file that the next one who
// opens it or locks a record in it puts back as it was before the transaction (docs/formats/tdb.md, "Transactions"). In fcntl mode a commit
// that has returned is on the disk (unless opened with sync = false); a file with mutexes is cleared by the next boot's first opener, so
// that nothing waits for the disk. A commit that fails leaves the file as it was before begin() and ends the transaction. A process opens a
// file at most once (Code::busy otherwise): fcntl locks belong to the process and the file.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tdb/database.h"
#include "tdb/file/chain_locks.h"
#include "tdb/file/commit.h"
#include "tdb/file/free_list.h"
#include "tdb/file/hash.h"
#include "tdb/file/inspect.h"
#include "tdb/file/mapping.h"
#include "tdb/file/overwrite.h"

namespace Atoll::tdb {

enum class LockMode : uint8_t { fcntl, mutex };
enum class Nesting : uint8_t { refused /* begin() inside a transaction is Code::invalid */, counted };
enum class HashKind : uint8_t { standard /* as old files have it */, jenkins };

struct FileOptions {
    std::string path = {};
    Rank rank = Rank::none;
    bool create = true;           // make the file if there is none; otherwise Code::not_found
    bool truncate = false;        // empty it, whoever may have it open
    bool clear_if_first = false;  // empty it when nobody has it open: for volatile databases
    bool read_only = false;       // stores are Code::denied
    bool count_changes = false;   // keep the sequence number
    bool no_locks = false;        // take none: nobody else may change the file meanwhile; in a file with mutexes needs read_only
    bool sync = true;             // commits of transactions wait for the disk
    Nesting nesting = Nesting::refused;
    // For a new file; an existing one says itself what it is.
    LockMode locks = LockMode::fcntl;  // mutex only together with clear_if_first
    HashKind hash = HashKind::jenkins;
    uint32_t hash_size = 10007;  // chains; at most max_hash_size
    unsigned mode = 0600;
    // Called each time that a mutex of the file has been waited for for limits::mutex_wait_milliseconds, with the thread that has it: for
    // who cannot wait for a process that stands still.
    std::function<void(pid_t thread)> on_long_wait = {};
    Disk* disk = nullptr;  // for commits and growth; nullptr: the real one. Outlives the database
};

class FileDatabase final : public Database {
 public:
    // Code::corrupt: not a TDB file; unsupported: of a kind that this program does not know, or left in the middle of a transaction.
    static Result<std::unique_ptr<FileDatabase>> open(const FileOptions& options);
    ~FileDatabase() override;

    Result<uint32_t> sequence_number() override;
    Result<void> wipe() override;
    // Also ends a transaction that the parent has in progress: in the child it never was. The parent's goes on.
    Result<void> reopen_after_fork() override;
    [[nodiscard]] bool has_transactions() const override { return true; }
    Result<void> begin() override;
    Result<void> commit() override;
    void cancel() override;

    // Transactions: Database::begin, commit and cancel, and these. With Nesting::counted a begin inside a transaction counts, and only the
    // outermost commit commits; a cancel inside makes the outermost commit fail (Code::invalid) and undo all of it.
    // As begin(), but Code::busy where another process has a transaction or holds a record.
    Result<void> try_begin();
    // Everything of commit() that may fail for want of space; then commit() or cancel() must follow, and nothing may be changed between.
    Result<void> prepare_commit();
    [[nodiscard]] bool in_transaction() const { return depth_ > 0; }

    // All records at once, for reading (others may read too) or writing. While held, operations of this process take no locks; an
    // operation that writes under a lock for reading is a programming error. Not inside a transaction, and no record may be held.
    class [[nodiscard]] WholeLock;
    Result<WholeLock> lock_all(Intent intent, bool wait = true);

    // Rewrites the file in one transaction (its own, or the one in progress): live records side by side, all free space in one piece.
    // The file does not become smaller. A commit does the same by itself when the free list has become long (limits.h).
    Result<void> repack();

    // For tools. Each takes the locks that it needs; `visit` may use no Database.
    // The records of one chain, dead ones too, in its order.
    Result<void> visit_chain(uint32_t chain, FunctionRef<Visit(const RecordPlace&)> visit);
    // The free list in its order, and where it starts.
    Result<Offset> visit_free_list(FunctionRef<Visit(const RecordPlace&)> visit);
    Result<Summary> summary();
    // The key after `key` in the order of a traverse; the first with first_key. False: there is none. Code::not_found: `key` is gone.
    Result<bool> first_key(Buffer& out);
    Result<bool> next_key(Bytes key, Buffer& out);
    // Visits what can be read of a damaged file: every live record that is whole, whether linked or not. Returns how many.
    Result<uint64_t> rescue(Visitor visitor);

    [[nodiscard]] uint32_t hash_of(Bytes key) const { return hash_ == &jenkins_hash ? jenkins_hash(key) : hash_(key); }
    [[nodiscard]] bool read_only() const { return read_only_; }

    // Reads the whole file under a lock of all chains: every record is linked once, where its hash says, and nothing overlaps.
    // Code::corrupt with the first contradiction. Returns the number of records.
    Result<uint64_t> check();

    [[nodiscard]] bool uses_mutexes() const { return locks_.mutexes(); }
    [[nodiscard]] uint32_t hash_size() const { return hash_size_; }
    [[nodiscard]] HashKind hash_kind() const { return hash_ == &jenkins_hash ? HashKind::jenkins : HashKind::standard; }

    class WholeLock {
     public:
        explicit WholeLock(FileDatabase& database, bool owned = true) : database_(owned ? &database : nullptr) {}
        WholeLock(WholeLock&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
        WholeLock& operator=(WholeLock&&) = delete;
        ~WholeLock() { release(); }
        void release();

     private:
        FileDatabase* database_;
    };

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
    // A chain that this process holds, by one or more records and operations.
    struct Hold {
        uint32_t chain = 0;
        uint32_t count = 0;
        Intent intent = Intent::read;
    };
    // A chain lock for the duration of a call.
    class [[nodiscard]] ChainGuard {
     public:
        ChainGuard(FileDatabase& database, uint32_t chain, Intent intent)
            : database_(database), chain_(chain), taken_(database.take_chain(chain, intent, true)) {}
        ChainGuard(const ChainGuard&) = delete;
        ChainGuard& operator=(const ChainGuard&) = delete;
        ~ChainGuard() {
            if (taken_) database_.release_chain(chain_);
        }
        explicit operator bool() const { return taken_.ok(); }
        [[nodiscard]] Failure<Error> failure() const { return taken_.failure(); }

     private:
        FileDatabase& database_;
        uint32_t chain_;
        Result<void> taken_;
    };
    // What a walk along a key's chain found.
    struct Found {
        Offset record = 0;    // the live record of the key, 0: none; `damaged`: the chain is
        Offset reusable = 0;  // a dead record with room for the wanted payload, 0: none; `record` itself: it may be written where it stands
        uint32_t dead = 0;    // dead records seen
    };

    FileDatabase(std::string path, Rank rank)
        : Database(std::move(path), rank), space_(mapping_, locks_), commit_(mapping_, space_), overwrite_(mapping_, space_) {}

    // open.cpp
    Result<void> open_file(const FileOptions& options);
    Result<void> settle_kind(UniqueFd fd, const FileOptions& options);
    Result<bool> make_if_new(int fd, const FileOptions& options);
    Result<UniqueFd> open_descriptor(const FileOptions& options);
    Result<void> refuse_second_open();
    Result<void> register_file(int fd);
    Result<bool> claim_first(int fd);
    [[nodiscard]] bool set_hash(const FileHeader& header);
    Result<void> write_new(int fd, const FileOptions& options);
    Result<FileHeader> read_header(int fd);
    Result<void> adopt(UniqueFd fd, const FileHeader& header, bool fresh);
    Result<void> repair_all();

    // transaction.cpp
    enum class Whole : uint8_t { none, read, write };
    // All chains by one lock; what a dead process left has been repaired.
    Result<void> take_all(Intent intent, bool wait);
    Result<void> settle_all(Intent intent);
    void release_all();
    Result<void> undo_dead_commit();
    Result<void> repair_after_death();
    Result<void> make_writable();
    Result<void> start(bool wait);
    Result<void> upgrade();
    Result<void> prepare();
    void finish();
    [[nodiscard]] bool is_fragmented();

    // repack.cpp
    Result<void> rewrite();

    [[nodiscard]] uint32_t chain_of(uint32_t hash) const { return hash % hash_size_; }
    // Mostly nothing else is held, and nobody holds the chain.
    Result<void> take_chain(uint32_t chain, Intent intent, bool wait) {
        if (__builtin_expect(chains_held_ != 0 || whole_ != Whole::none, 0)) return take_another(chain, intent, wait);
        const Taken taken = locks_.lock_chain(chain, intent, wait);
        if (__builtin_expect(taken != Taken::yes || commit_.recovery_pending(), 0)) {
            if (auto settled = settle_chain(taken, chain, intent, wait); !settled) return settled;
        }
        holds_[0] = {chain, 1, intent};
        chains_held_ = 1;
        return {};
    }
    void release_chain(uint32_t chain) {
        if (__builtin_expect(chains_held_ != 1 || holds_[0].chain != chain || holds_[0].count != 1, 0)) return release_one_of(chain);
        holds_[0].count = 0;
        chains_held_ = 0;
        locks_.unlock_chain(chain);
    }
    Result<void> take_another(uint32_t chain, Intent intent, bool wait);
    Result<void> settle_chain(Taken taken, uint32_t chain, Intent intent, bool wait);
    Result<void> on_no_chain(Taken taken, uint32_t chain);
    void release_one_of(uint32_t chain);
    void announce(uint32_t chain) const;
    Result<void> repair_chain(uint32_t chain);
    [[nodiscard]] bool is_half_filled(Offset record) const;
    Result<void> bury_copies_behind(Offset record, uint32_t chain);

    static constexpr Offset damaged = 1;
    Offset walk(Offset link);
    [[nodiscard]] bool has_key(Offset offset, Bytes key, uint32_t hash) const;
    Failure<Error> bad_chain(uint32_t chain) const;
    // The record at a link of a chain, checked to be one. 0: the chain ends.
    Result<Offset> follow(Offset link, uint32_t chain);
    // The live record of the key, 0: none; `damaged`.
    Offset find(Bytes key, uint32_t hash, uint32_t chain);
    Found survey(Bytes key, uint32_t hash, uint32_t chain, uint64_t payload, bool in_place);
    [[nodiscard]] bool may_overwrite(size_t value_size) const;
    bool put_in_place(Offset target, uint32_t chain, Bytes value);
    Result<Offset> link_new(uint64_t payload, uint32_t hash);
    // Writes key and value into a fresh record and makes it the key's; `found` says what was there. Returns the new record.
    Result<Offset> put(Bytes key, uint32_t hash, Bytes value, const Found& found);
    void bury(Offset record);
    Result<Offset> largest_dead(uint32_t chain);
    Result<void> purge(uint32_t chain, uint64_t surplus, Offset kept);
    Result<void> purge_surplus(uint32_t chain, uint64_t surplus);
    void changed();
    Result<void> writable() const {
        if (__builtin_expect(read_only_, 0)) return failed(Code::denied, "the database is open for reading only");
        return {};
    }
    Result<void> copy_chain(uint32_t chain, Buffer& copies);
    [[nodiscard]] Bytes key_of(Offset record) const;
    [[nodiscard]] Bytes value_of(Offset record) const;

    // check.cpp
    struct Census;
    Result<uint64_t> check_locked();
    Result<void> check_header(Census& census);
    Result<void> count_in(Offset offset, Census& census);
    Result<uint64_t> check_chain(uint32_t chain, Census& census);
    Result<void> check_free_list(Census& census);
    Result<void> check_places(Census& census);
    Result<void> check_gap(uint64_t at, uint64_t end);

    // inspect.cpp
    static void add_record(Summary& summary, const RecordHeader& record);
    void add_free_runs(Summary& summary);
    Result<bool> key_from(uint32_t chain, const Bytes* past, Buffer& out);

    Mapping mapping_;
    ChainLocks locks_;
    FreeList space_;
    Commit commit_;
    Overwrite overwrite_;
    HashFunction hash_ = &jenkins_hash;
    uint32_t hash_size_ = 0;
    Disk* disk_ = &Disk::system();
    bool sync_ = true;
    bool read_only_ = false;
    bool count_changes_ = false;
    bool clear_if_first_ = false;
    bool registered_ = false;
    Nesting nesting_ = Nesting::refused;
    Whole whole_ = Whole::none;  // all chains are held, or nobody's lock is wanted
    unsigned depth_ = 0;         // of transactions
    bool poisoned_ = false;      // a transaction inside was cancelled
    bool prepared_ = false;
    bool unlocked_ = false;  // FileOptions::no_locks
    bool can_undo_ = false;  // the descriptor of a reader was exchanged for one that writes
    uint64_t device_ = 0;
    uint64_t inode_ = 0;
    std::array<Hold, 8> holds_{};
    unsigned chains_held_ = 0;  // entries of holds_ in use
    Buffer copies_;             // of a chain, while a traverse visits it
    bool traversing_ = false;   // copies_ is in use
};

}  // namespace Atoll::tdb
