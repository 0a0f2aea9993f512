#include "smbd/xsrv/open.h"

#include "base/assert.h"
#include "base/random.h"
#include "smbd/xsrv/slot.h"

namespace Atoll::xsrv {

void Open::unreferenced() {
    if (table_) {
        table_->take_back(this);
    } else {
        delete this;
    }
}

open_lease lease_record(const Guid& key, const fsa::LeaseGrant& lease) {
    open_lease out;
    out.lease_key = key;
    out.parent_lease_key = lease.parent;
    out.state = lease.state;
    out.epoch = lease.epoch;
    out.version = lease.version;
    return out;
}

void note_remains(const fsa::RemainingOpen& remains, durable_open& state) {
    state.disconnected = NtTime::now();
    state.oplock = static_cast<fsa::oplock_kind>(remains.oplock);
    state.lease.reset();
    if (remains.oplock == fsa::OplockLevel::lease) state.lease = lease_record(remains.lease_key, remains.lease);
    state.position = remains.position;
    state.allocation_size = remains.allocation_size;
    state.locks.clear();
    for (const fsa::LockRange& lock : remains.locks) state.locks.push_back({lock.offset, lock.length, lock.exclusive});
}

OpenTable::OpenTable(size_t limit) : limit_(limit), persistent_counter_(random_u64()) {}

OpenTable::~OpenTable() {
    slots_.clear();
    while (free_opens_) {
        Open* open = free_opens_;
        free_opens_ = open->next_free_;
        delete open;
    }
}

// Processes count from random starts; that no two opens have the same id is decided by the insert into smbXsrv_open_global.tdb.
uint64_t OpenTable::next_persistent_id() { return new_open_id(++persistent_counter_); }

Ref<Open> OpenTable::add() {
    if (size_ >= limit_) return nullptr;
    uint32_t index = 0;
    if (free_slots_.empty()) {
        index = static_cast<uint32_t>(slots_.size());
        slots_.emplace_back();
    } else {
        index = free_slots_.back();
        free_slots_.pop_back();
    }
    Open* open = free_opens_;
    if (open) {
        free_opens_ = open->next_free_;
    } else {
        open = new Open();
    }
    open->table_ = this;
    open->volatile_id = uint64_t{slots_[index].generation} << 32 | index;
    open->persistent_id = next_persistent_id();
    open->opened = NtTime::now();
    slots_[index].open = Ref<Open>(open);
    size_++;
    return Ref<Open>(open);
}

Ref<Open> OpenTable::find(uint64_t persistent_id, uint64_t volatile_id) const {
    const uint64_t index = volatile_id & 0xFFFFFFFF;
    if (index >= slots_.size()) return nullptr;
    const Slot& slot = slots_[index];
    if (!slot.open || slot.open->volatile_id != volatile_id || slot.open->persistent_id != persistent_id) return nullptr;
    return slot.open;
}

void OpenTable::renew_persistent_id(Open& open) { open.persistent_id = next_persistent_id(); }

void OpenTable::remove(Open& open) {
    const auto index = static_cast<uint32_t>(open.volatile_id & 0xFFFFFFFF);
    ATOLL_ASSERT(index < slots_.size() && slots_[index].open.get() == &open);
    slots_[index].generation = slots_[index].generation == UINT32_MAX ? 1 : slots_[index].generation + 1;
    free_slots_.push_back(index);
    size_--;
    slots_[index].open = nullptr;  // last: `open` may go with it
}

void OpenTable::take_back(Open* open) {
    open->file = nullptr;
    open->pipe = nullptr;
    open->pipe_access = 0;
    open->quota_index.reset();
    open->durable.reset();
    open->create_guid.reset();
    open->instance.reset();
    open->lease_key.reset();
    open->replay_eligible = false;
    open->session = nullptr;
    open->tcon = nullptr;
    open->lock_buckets = 0;
    open->lock_sequences = Open::no_lock_sequences();
    open->index_key.reset();
    open->current_ea_index = 1;
    open->channel_sequence = 0;
    open->channel_sequence_changes = 0;
    open->outstanding_requests = 0;
    open->outstanding_pre_requests = 0;
    open->next_free_ = free_opens_;
    free_opens_ = open;
}

}  // namespace Atoll::xsrv
