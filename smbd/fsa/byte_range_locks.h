// Byte-range locks: the records of brlock.tdb. Every function is one locked step on one record, or a look at one; none touches a file.
//
// A READ or WRITE of a stream that has no locks costs one look at brlock.tdb's sequence number, which is a load from shared memory: as long
// as that has not changed since the record was last seen to be absent, it still is.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "smbd/fsa/brlock.idl.h"
#include "smbd/fsa/fsa.h"
#include "smbd/fsa/lock_array.h"
#include "vfs/vfs.h"

namespace Atoll::fsa {

// A piece of a file, and the lock that an open is to have there for programs on this machine.
struct PosixPiece {
    uint64_t offset = 0;
    uint64_t last = 0;
    vfs::RangeLock lock = vfs::RangeLock::none;
};

class ByteRangeLocks {
 public:
    explicit ByteRangeLocks(const FileSystemParams& params) : params_(params) {}

    // Whose locks.
    struct Owner {
        const FileId& id;
        uint64_t open_id;
        bool durable = false;  // they outlive the process
    };

    // MS-FSA 2.1.5.8, for all of `ranges` or for none. LOCK_NOT_GRANTED: somebody who lives is in the way; with `wait`, which is then armed
    // for the record's next change, PENDING. INVALID_LOCK_RANGE.
    Result<void, NtStatus> lock(const Owner& owner, std::span<const LockRange> ranges, Wait* wait);
    // MS-FSA 2.1.5.9, one after the other: `done` were unlocked before a failure, RANGE_NOT_LOCKED or INVALID_LOCK_RANGE.
    Result<void, NtStatus> unlock(const Owner& owner, std::span<const LockRange> ranges, size_t& done);
    // At close.
    void unlock_all(const Owner& owner);
    // Whether locks forbid access to these bytes (MS-FSA 2.1.4.10 with LockIntent FALSE); length 0: never. `unlocked_at` is the open's own:
    // the sequence number at which the stream was seen without locks. Where another node may have locks, the record is fetched.
    bool forbid(const Owner& owner, uint64_t offset, uint64_t length, bool write, std::optional<uint32_t>& unlocked_at);
    // Whether an open of that node has a lock, or one whose client is away.
    bool any_of_node(const FileId& id, uint32_t node);
    // Whether a lock of anybody's begins below `size`.
    bool any_below(const FileId& id, uint64_t size);
    // Waits for the next change of the stream's locks, or for `delay`.
    Result<void, NtStatus> wait_for_change(const FileId& id, Wait& wait, std::chrono::nanoseconds delay);

    [[nodiscard]] size_t count(const FileId& id, uint64_t open_id);

    // What POSIX locks the owner is to have in `range`: as its locks are now, or will be without one of each of `without`.
    void posix_pieces(const Owner& owner, const LockRange& range, std::span<const LockRange> without, std::vector<PosixPiece>& out);

    // --- Of opens that outlive their process: durable_entries.cpp.
    // Those that the open has already are to outlive the process too.
    Result<void, NtStatus> make_durable(const Owner& owner);
    // They are nobody's from now on, and are listed.
    Result<void, NtStatus> disconnect(const Owner& owner, std::vector<LockRange>& out);
    // Nobody's, as they are now.
    void list(const Owner& owner, std::vector<LockRange>& out);
    // They are this process's again; how many there are.
    Result<size_t, NtStatus> reconnect(const Owner& owner);

    // The locks of processes that have ended go, but for those that outlive them, and those who wait for them are woken. Looks at every
    // record.
    void end_holders(const Holders& holders);

 private:
    Result<tdb::LockedRecord, NtStatus> fetch(const FileId& id);
    void read(Bytes value);  // into record_
    Result<void, NtStatus> store(tdb::LockedRecord& record);
    Result<void, NtStatus> arm(const tdb::LockedRecord& record, Wait& wait, Monotonic deadline);
    // Reads the record without holding it. False: there is none.
    bool look(const FileId& id);
    // The node's grant: what it sees of the stream's locks is all there is.
    bool locked_only_here(const FileId& id);
    NtStatus add(const Owner& owner, const LockRange& range);
    NtStatus remove(const Owner& owner, const LockRange& range);
    [[nodiscard]] bool in_the_way(uint64_t open_id, uint64_t first, uint64_t last, bool exclusive, bool lock_intent) const;
    // The locks of processes that have ended go. Whether there were any.
    bool drop_dead();
    void drop_holder(size_t place);
    uint32_t own_place(const Owner& owner);
    lock_holder* durable_place(uint64_t open_id);  // null: the open has no locks that outlive it
    void count_out(uint32_t place);

    const FileSystemParams& params_;
    brlock_record record_;  // scratch, kept for its capacity
    LockArray exclusive_{record_.exclusive}, shared_{record_.shared}, empty_{record_.empty};
    Buffer encoded_;
    struct Edge {
        uint64_t at;
        int exclusive, shared;
    };
    std::vector<Edge> edges_;
};

}  // namespace Atoll::fsa
