// Oplocks and leases at work: who is asked to give up what, who waits for that, and what the holder's client answers.
//
// The state of an oplock is in its open's entry in locking.tdb; that of a lease in leases.tdb, and repeated in the entries of its opens. An
// operation that is in the way of others' caching marks their entries, asks the processes that hold them by message, and, if it has to
// wait, watches the record. The holder's process tells its client (BreakSink), changes the entry when the client answers or the time is
// up, and that wakes whoever waits, who then looks again.
//
// For whoever changes a file: break_for_write() and break_for_lock() before the change. They cost one look into shared memory if nobody
// caches.
#pragma once

#include <vector>

#include "base/loop/loop.h"
#include "smbd/fsa/caching_rules.h"
#include "smbd/fsa/leases.h"
#include "smbd/fsa/share_modes.h"

namespace Atoll::fsa {

class OpenFile;
class Core;

// What an open asks for and gets.
struct CachingRequest {
    OplockLevel level = OplockLevel::none;
    const LeaseRequest* lease = nullptr;  // with OplockLevel::lease
    uint8_t limit = caching::all;         // what this file, share and server grant at most
    bool level_ii = true;                 // `level2 oplocks`
    bool shared = true;                   // level II, R and RH too: there are no byte-range locks (MS-FSA 2.1.5.18)
};
struct CachingGrant {
    OplockLevel level = OplockLevel::none;
    LeaseGrant lease;
};

class OplockTable {
 public:
    OplockTable(Core& core, const FileSystemParams& params, ShareModes& modes);
    ~OplockTable();
    OplockTable(const OplockTable&) = delete;
    OplockTable& operator=(const OplockTable&) = delete;

    // Somebody may hold something: there is a way to tell him.
    [[nodiscard]] bool possible() const { return params_.messaging != nullptr; }

    // The lease as it is now.
    std::optional<LeaseGrant> find_lease(const lease_id& lease);

    [[nodiscard]] bool has_leases() const { return leases_.is_there(); }

    // --- For operations on an open file. PENDING only with `wait`; without one, whoever has to be waited for is not.
    Result<void, NtStatus> make_way(OpenFile& open, CachingOperation operation, Wait* wait);
    // The same for a file that is not open here.
    Result<void, NtStatus> make_way(const FileId& id, const Actor& actor, CachingOperation operation, Wait* wait);
    // MS-FSA 2.1.5.4, 2.1.5.15.5: the data or the size is going to change. Nobody is waited for.
    void break_for_write(OpenFile& open);
    // MS-FSA 2.1.5.8: before a byte-range lock. Nobody is waited for.
    void break_for_lock(OpenFile& open);

    // A program on this machine wants to open or truncate the file (KernelOplocks).
    void break_for_program(OpenFile& open);
    // A lease of the kernel is in the way of opening the file, and breaks: one of ours, which the file's record tells of, or a program's,
    // of which nobody tells when it is over. Gives PENDING.
    Result<void, NtStatus> wait_for_kernel(const FileId& id, const Actor& actor, CachingOperation operation, Wait& wait);

    // --- What clients answer.
    Result<OplockLevel, NtStatus> acknowledge(OpenFile& open, OplockLevel level);  // MS-SMB2 3.3.5.22.1
    Result<void, NtStatus> acknowledge(const lease_id& lease, uint32_t state);     // MS-SMB2 3.3.5.22.2

    // --- For ShareModes, within a step on a file's record, which it holds.
    struct Outcome {
        bool changed = false;  // of the record
        bool wait = false;
        NtTime until;  // with `wait`: when all that is waited for is given up
    };
    // Takes from one entry what it may not keep.
    void take(locking_record& record, const FileId& id, size_t entry, CachingOperation operation, uint32_t desired, Outcome& outcome);
    // Enters what the new entry, which is not in the record yet, is granted.
    Result<void, NtStatus> grant(locking_record& record, const FileId& id, share_mode& entry, const CachingRequest& request,
                                 CachingGrant& granted);
    Result<void> wait(const tdb::LockedRecord& record, NtTime until, Wait& wait);
    // The lease of an entry that was put back into the record. One that is there with no earlier epoch stays as it is.
    Result<void, NtStatus> restore(locking_record& record, const FileId& id, share_mode& entry, const LeaseGrant& lease);
    // An entry is this process's from now on: a break that nobody minds any more begins anew, with all of its time.
    void renew_break(locking_record& record, share_mode& entry);
    // An entry goes; the record still has it.
    void forget(const locking_record& record, const share_mode& entry);
    // Sends what take() has noted, once the record is released. The last act of a step: others follow from it, on other records.
    void send();

    // The open is wholly this process's again: its client may not have heard of a break.
    void break_again(const FileId& id, const share_mode& entry);

    // After processes have been killed: leases that nobody has any more go. Looks at every lease.
    void drop_orphans();

    // INVALID_PARAMETER: the lease is of another file (MS-SMB2 3.3.5.9.8); `id` null: of any, for the file is not there yet.
    Result<void, NtStatus> check_lease(const LeaseRequest& request, const FileId* id);

 private:
    struct Asked {
        tdb::server_id holder;  // is_disconnected: the open is to end
        caching_break message;
    };
    // A break of this process's that its client has not acknowledged.
    struct Awaited {
        FileId file;
        uint64_t open_id = 0;
        std::optional<lease_id> lease;
        NtTime deadline;
        bool is_over = false;  // it is about to be given up
        [[nodiscard]] bool is_of(const caching_break& message) const {
            return deadline == message.deadline && lease == message.lease && (lease || open_id == message.open_id);
        }
    };

    enum class Step : uint8_t { first, further };  // a further step of a break does not count in the epoch
    void start(locking_record& record, const FileId& id, share_mode& entry, uint8_t to, Step step = Step::first);
    void give_up(locking_record& record, share_mode& entry, uint8_t state);
    bool end_disconnected(locking_record& record, const FileId& id, share_mode& entry, Outcome& outcome);
    void ask(const locking_record& record, const FileId& id, const share_mode& entry, uint8_t to, bool acknowledge, NtTime deadline);
    caching_break message_of(const FileId& id, const share_mode& entry, uint8_t to, bool acknowledge, NtTime deadline);
    void tell(const tdb::server_id& holder, const caching_break& message);
    void lease_breaks(const lease_id& lease, uint8_t to, bool acknowledge, Step step);
    void lease_came_down(const lease_id& lease, uint8_t state);
    template <class F>
    void for_lease(locking_record& record, const share_mode& entry, F change);
    // `deadline` null: the client says so; else that of a break which it has not answered, and nothing happens unless it is that one.
    Result<void, NtStatus> settle(const FileId& file, uint64_t open_id, const lease_id* lease, uint8_t state, const NtTime* deadline);
    void receive(Bytes payload);
    void hear(const caching_break& message);
    bool is_news(const caching_break& message);
    bool tell_client(const caching_break& message);
    void give_up_unanswered(Awaited& awaited);
    void given_up(const Awaited& awaited);
    void came_down(OpenFile& open, uint8_t state);
    void await(const caching_break& message);
    void stop_awaiting(uint64_t open_id, const lease_id* lease);
    void expire();
    LeaseGrant enter_lease(locking_record& record, const FileId& id, share_mode& entry, const CachingRequest& request);

    Core& core_;
    const FileSystemParams& params_;
    ShareModes& modes_;
    LeaseTable leases_;
    std::vector<Asked> asked_;
    std::vector<Awaited> awaited_;
    std::optional<loop::Timer> timer_;
    Buffer encoded_;
};

// All entries of the entry's lease, itself among them; of an oplock the entry alone.
template <class F>
void OplockTable::for_lease(locking_record& record, const share_mode& entry, F change) {
    if (!entry.lease) return change(const_cast<share_mode&>(entry));
    const lease_id lease = *entry.lease;
    for (share_mode& other : record.share_modes) {
        if (other.lease && *other.lease == lease) change(other);
    }
}

}  // namespace Atoll::fsa
