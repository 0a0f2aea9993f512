// The Database interface: records of key and value that processes share, with a lock on each record.
//
// Stores: tdb/file (TDB 1), tdb/memory, tdb/lmdb; the cluster's implements the same interface. Each store has its own open().
//
// Threads: a Database belongs to its process's main thread. Processes may use the same database at the same time.
// Fork: a file database that was open before fork may be used in the child if no record was locked at the fork; call
// reopen_after_fork() in the child first. An LMDB database may not be used in the child at all (asserted).
//
// Order of locks (docs/design.md, "State"): every operation on a record takes that record's lock for its duration, fetch_locked keeps
// it. While a record is held:
// - an operation on a database of a higher rank waits for its lock;
// - on the held database itself, or another of the same rank, only the held keys and try_fetch_locked of a key greater (bytewise) than
//   every held key of that database may be used; on failure release everything and start again;
// - an operation on a lower rank is a programming error.
// All of it is asserted. A held record must be released before the process suspends, waits for a message or touches a file.
//
// Errors: Code::corrupt (contradicts the format; the text says where), no_space (disk full or the format's limit), io, denied
// (read-only), busy (try_fetch_locked only), unsupported (transactions where the store has none), invalid.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/buffer.h"
#include "base/result.h"
#include "tdb/function_ref.h"

namespace Atoll::tdb {

// Ascending: the order in which records of different databases are locked.
enum class Rank : uint8_t { none, version, client, session, tcon, open, index, locking, brlock, leases, watches };

enum class Visit : bool { go_on, stop };
enum class StoreMode : uint8_t { replace, insert /* Code::exists if it is there */, modify /* Code::not_found if it is not */ };

class Database;
class LockedRecord;

using Parser = FunctionRef<void(Bytes value)>;
using Visitor = FunctionRef<Visit(Bytes key, Bytes value)>;
using LockedVisitor = FunctionRef<Visit(LockedRecord& record)>;

// One held record. They live in a fixed table of the process, so that a LockedRecord is one pointer and nothing is allocated.
struct HeldRecord {
    Database* database = nullptr;  // nullptr: the entry is free
    Buffer key;
    Buffer value;                      // for stores that cannot show the value in place
    std::array<uint64_t, 4> cookie{};  // the store's own
    bool announced = false;            // the observer knows that it changes
};

// Told of the changes that this process makes to a database, record by record: for watches (tdb/watch).
class ChangeObserver {
 public:
    virtual ~ChangeObserver() = default;

    // The caller holds the record and is about to change it, for the first time since it locked it. True: released() is wanted. On an
    // error the record is not changed. May use databases of higher rank.
    virtual Result<bool> about_to_change(Database& database, Bytes key) = 0;
    // The record's lock has been released, other records may be held. May use databases of higher rank.
    virtual void released(Database& database, Bytes key) = 0;
};

// A record whose lock this process holds, until it is released or destroyed. Movable; must not outlive its Database.
class [[nodiscard]] LockedRecord {
 public:
    LockedRecord() = default;
    explicit LockedRecord(HeldRecord* held) : held_(held) {}
    LockedRecord(LockedRecord&& other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
    LockedRecord& operator=(LockedRecord&& other) noexcept;
    LockedRecord(const LockedRecord&) = delete;
    LockedRecord& operator=(const LockedRecord&) = delete;
    ~LockedRecord() { release(); }

    [[nodiscard]] bool held() const { return held_ != nullptr; }
    [[nodiscard]] Database& database() const;
    [[nodiscard]] Bytes key() const;
    // False: there is no such record (value() is then empty); store() makes it.
    [[nodiscard]] bool exists() const;
    // The value in place: valid until the next store, remove or release of this record.
    [[nodiscard]] Bytes value() const;
    // The lock stays held. On failure the record is as it was. `value` may point into this record's own value().
    // LMDB outside a transaction: one store or remove a fetch_locked, since it commits; a second is Code::invalid.
    Result<void> store(Bytes value);
    // Removing what is not there succeeds.
    Result<void> remove();
    void release();

 private:
    friend class Database;
    HeldRecord* held_ = nullptr;
};

class Database {
 public:
    Database(std::string name, Rank rank) : name_(std::move(name)), rank_(rank) {}
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;
    // Asserts that no record of it is held.
    virtual ~Database();

    [[nodiscard]] const std::string& name() const { return name_; }  // for messages: the path, or the memory store's name
    [[nodiscard]] Rank rank() const { return rank_; }

    // False: no such record. `out` is replaced by the value.
    Result<bool> fetch(Bytes key, Buffer& out);
    // As fetch, but the callback sees the value in place, under the record's lock: it must be short and use no Database.
    Result<bool> parse(Bytes key, Parser parser);
    Result<bool> exists(Bytes key);

    // Waits for the record's lock. The record need not exist.
    Result<LockedRecord> fetch_locked(Bytes key);
    // Code::busy if somebody else holds it (or a record that shares its lock).
    Result<LockedRecord> try_fetch_locked(Bytes key);

    Result<void> store(Bytes key, Bytes value, StoreMode mode = StoreMode::replace);
    // False: it was not there.
    Result<bool> remove(Bytes key);

    // Calls the visitor for each record and returns how many it was called for. A record that is there throughout is seen exactly once;
    // one that comes or goes meanwhile may be seen or not. No lock is held during a call, and key and value are copies: the visitor may
    // use every database, this one too.
    Result<uint64_t> traverse(Visitor visitor);
    // As traverse, but each record is locked as fetch_locked does it, and is as it is at that moment; one that went meanwhile is left out.
    Result<uint64_t> traverse_locked(LockedVisitor visitor);

    // Changes with every change of the database, if it was opened so that it counts; wraps. For "did anything change" only.
    virtual Result<uint32_t> sequence_number() = 0;
    // Removes every record. No observer is told.
    virtual Result<void> wipe() = 0;
    // In the child of a fork, before its first use there. Cheap.
    virtual Result<void> reopen_after_fork() { return {}; }

    // Transactions: what happens between begin and commit happens for all readers and for the disk at once or not at all. Not nested.
    // No record may be held at begin, commit or cancel.
    [[nodiscard]] virtual bool has_transactions() const { return false; }
    virtual Result<void> begin();
    virtual Result<void> commit();
    virtual void cancel();

    // nullptr: none. The observer is told of each change of a record; a database that has one is not changed in transactions.
    void set_observer(ChangeObserver* observer) { observer_ = observer; }

 protected:
    friend class LockedRecord;

    // What a store implements. The order of locks has been checked.
    virtual Result<bool> do_parse(Bytes key, Parser parser) = 0;
    virtual Result<void> do_store(Bytes key, Bytes value, StoreMode mode) = 0;
    virtual Result<bool> do_remove(Bytes key) = 0;
    virtual Result<uint64_t> do_traverse(Visitor visitor) = 0;
    // held.key is set, and `held` counts as held already. May keep what it needs in held.cookie and held.value until do_unlock.
    virtual Result<void> do_lock(HeldRecord& held, bool wait) = 0;
    virtual void do_unlock(HeldRecord& held) noexcept = 0;
    [[nodiscard]] virtual bool locked_exists(const HeldRecord& held) const = 0;
    [[nodiscard]] virtual Bytes locked_value(const HeldRecord& held) const = 0;
    virtual Result<void> locked_store(HeldRecord& held, Bytes value) = 0;
    virtual Result<void> locked_remove(HeldRecord& held) = 0;

    [[nodiscard]] bool any_held() const { return held_count_ > 0; }
    // Error with this database as its place.
    [[nodiscard]] Failure<Error> failed(Code code, std::string text) const { return fail(code, name_, std::move(text)); }

 private:
    // The held entry of this key of this database, if there is one.
    HeldRecord* find_held(Bytes key) { return held_count_ == 0 ? nullptr : find_among_held(key); }
    HeldRecord* find_among_held(Bytes key);
    Result<LockedRecord> lock(Bytes key, bool wait);
    Result<void> announce(HeldRecord& held);
    Result<void> change_held(HeldRecord& held, Bytes value);
    Result<void> remove_held(HeldRecord& held);

    std::string name_;
    Rank rank_;
    ChangeObserver* observer_ = nullptr;
    unsigned held_count_ = 0;
};

// Records that this process holds in all databases: for asserting that none is held where none may be (fork, suspension).
unsigned held_records();

}  // namespace Atoll::tdb
