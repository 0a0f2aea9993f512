// An open (MS-SMB2 3.3.1.10) as its process holds it, and the table of them. Main thread only.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/result.h"
#include "smbd/fsa/fsa.h"
#include "smbd/xsrv/pipe.h"
#include "smbd/xsrv/ref.h"
#include "smbd/xsrv/session.h"
#include "smbd/xsrv/tcon.h"
#include "smbd/xsrv/xsrv.idl.h"

namespace Atoll::xsrv {

class OpenTable;

// An open of a volume's quota index (MS-FSA 2.1.5.1), which is no file.
struct QuotaIndexOpen {
    uint32_t granted_access = 0;
    uint64_t position = 0;  // MS-SMB2 3.3.1.10, Open.CurrentQuotaIndex: as fsa::QuotaIndex counts
};

class Open final : public Counted {
 public:
    uint64_t persistent_id = 0;
    uint64_t volatile_id = 0;
    // One of them; none once closed, when a pending request may still refer to this object.
    fsa::Open* file = nullptr;
    Ref<Pipe> pipe;
    uint32_t pipe_access = 0;  // granted
    std::optional<QuotaIndexOpen> quota_index;
    [[nodiscard]] bool is_open() const { return file != nullptr || pipe || quota_index; }
    Ref<Session> session;
    Ref<Tcon> tcon;
    NtTime opened;
    // MS-SMB2 3.3.1.10, of one that was asked for with a create GUID: Open.CreateGuid, Open.IsReplayEligible, and what a replay is
    // answered.
    std::optional<Guid> create_guid;
    std::optional<Guid> lease_key;
    bool replay_eligible = false;
    fsa::CreateAction action = fsa::CreateAction::opened;
    std::optional<app_instance> instance;  // of a file or directory that was asked for with an AppInstanceId
    // Of one that outlives its connection: what its record says of that, but for what is only known when the client goes away.
    std::optional<durable_open> durable;
    uint64_t lock_buckets = 0;             // of a persistent one: where the disk may have locks of it (persistent.h)
    std::optional<Guid> index_key;  // under which smbXsrv_open_index.tdb has it; Tables sets it
    // MS-SMB2 3.3.1.10, Open.LockSequenceArray: the number of the last LOCK of each index, from 1 on.
    static constexpr uint8_t no_lock_sequence = 0xFF;
    std::array<uint8_t, 64> lock_sequences = no_lock_sequences();
    uint32_t current_ea_index = 1;  // MS-SMB2 3.3.1.10, Open.CurrentEaIndex
    // MS-SMB2 3.3.5.2.10
    uint16_t channel_sequence = 0;
    uint64_t channel_sequence_changes = 0;  // so often it has become another; it comes round to a number that it had, this does not
    uint32_t outstanding_requests = 0;
    uint32_t outstanding_pre_requests = 0;

    static std::array<uint8_t, 64> no_lock_sequences() {
        std::array<uint8_t, 64> none;
        none.fill(no_lock_sequence);
        return none;
    }

 private:
    friend class OpenTable;
    void unreferenced() override;
    OpenTable* table_ = nullptr;
    Open* next_free_ = nullptr;
};

open_lease lease_record(const Guid& key, const fsa::LeaseGrant& lease);
// What its record has to say of an open whose client is away from now on.
void note_remains(const fsa::RemainingOpen& remains, durable_open& state);

// The opens of one process. A volatile id is a slot and the slot's generation, so that an id is not soon given twice and is found by
// indexing. Objects are kept for reuse: an open and its close allocate nothing in steady state. Must outlive every Ref<Open>.
class OpenTable {
 public:
    explicit OpenTable(size_t limit = limits::max_opens);
    ~OpenTable();
    OpenTable(const OpenTable&) = delete;
    OpenTable& operator=(const OpenTable&) = delete;

    // An open with its ids set, in the table from now on. Null: the limit is reached (TOO_MANY_OPENED_FILES).
    Ref<Open> add();
    // Null unless the very same open is still in the table.
    [[nodiscard]] Ref<Open> find(uint64_t persistent_id, uint64_t volatile_id) const;
    void remove(Open& open);
    // A fresh persistent id for an open whose first one was found taken by another process.
    void renew_persistent_id(Open& open);
    [[nodiscard]] size_t size() const { return size_; }

    // Calls `visit(Ref<Open>)` for each; it may remove opens.
    template <class F>
    void for_each(F visit) {
        for (size_t i = 0; i < slots_.size(); i++) {
            if (slots_[i].open) visit(Ref<Open>(slots_[i].open.get()));
        }
    }

 private:
    friend class Open;
    struct Slot {
        uint32_t generation = 1;
        Ref<Open> open;
    };
    uint64_t next_persistent_id();
    void take_back(Open* open);

    size_t limit_;
    size_t size_ = 0;
    std::vector<Slot> slots_;
    std::vector<uint32_t> free_slots_;
    Open* free_opens_ = nullptr;
    uint64_t persistent_counter_;
};

}  // namespace Atoll::xsrv
