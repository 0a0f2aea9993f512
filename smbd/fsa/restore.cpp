// Persistent opens (MS-SMB2 3.3.1.10, Open.IsPersistent): what is to be kept of them elsewhere, and how they get back into tables that have
// lost them.
#include <algorithm>

#include "base/log.h"
#include "smbd/fsa/caching_rules.h"
#include "smbd/fsa/core.h"
#include "smbd/fsa/disconnected.h"

namespace Atoll::fsa {

void Core::describe_remains(Open& described, RemainingOpen& remains) {
    auto& open = static_cast<OpenFile&>(described);
    find_name(open);
    describe_open(open, remains);
    remains.oplock = open.oplock;
    if (open.lease) {
        remains.lease_client = open.lease->client;
        remains.lease_key = open.lease->key;
        if (const auto lease = oplocks.find_lease(*open.lease)) remains.lease = *lease;
    }
    locks.list({remains.file, remains.open_id}, remains.locks);
}

bool Core::describe_persistent(Open& open, bool but_this, FileState& state) {
    const auto& file = static_cast<const OpenFile&>(open);
    return modes.describe_persistent(file.id.of_file(), but_this ? file.open_id : 0, state);
}

bool ShareModes::describe_persistent(const FileId& id, uint64_t but, FileState& state) {
    const locking_record* const record = look_at(id);
    const auto is_one = [&](const share_mode& entry) {
        return any(entry.flags & share_mode_flags::SHARE_MODE_PERSISTENT) && entry.open_id != but;
    };
    if (record == nullptr || std::ranges::none_of(record->share_modes, is_one)) return false;
    state = {record->share_path, record->name, record->delete_pending, record->delete_token};
    return true;
}

Result<void, NtStatus> ShareModes::restore(const FileId& id, const share_mode& entry, const LeaseGrant& lease, const FileState& state) {
    auto locked = lock(id);
    if (!locked) return locked.failure();
    auto& entries = record_.share_modes;
    if (std::ranges::any_of(entries, [&](const share_mode& one) { return one.open_id == entry.open_id; })) return {};
    if (entries.empty()) {
        set_name({state.share_path, state.name, {}});
        record_.delete_pending = state.delete_pending;
        record_.delete_token = state.delete_token;
    }
    entries.push_back(entry);
    if (entry.lease) {
        if (auto r = oplocks_->restore(record_, id, entries.back(), lease); !r) return r;
    }
    return write(*locked);
}

// All opens of a lease say the same of it, or one knows more.
Result<void, NtStatus> OplockTable::restore(locking_record& record, const FileId& id, share_mode& entry, const LeaseGrant& lease) {
    const lease_record* const there = leases_.find(*entry.lease);
    if (there != nullptr && static_cast<int16_t>(there->epoch - lease.epoch) >= 0) {
        entry.caching = there->state;
        return {};
    }
    lease_record restored;
    restored.id = *entry.lease;
    restored.file = {id.volume, id.inode, id.generation};
    restored.stream = id.stream;
    restored.version = lease.version;
    restored.state = static_cast<uint8_t>(lease.state);
    restored.epoch = lease.epoch;
    restored.parent = lease.parent;
    restored.breaking = any(entry.flags & share_mode_flags::SHARE_MODE_BREAKING);
    restored.breaking_to = entry.breaking_to;
    for_lease(record, entry, [&](share_mode& each) { each.caching = restored.state; });
    return leases_.put(restored);
}

Result<void, NtStatus> Core::restore(const RemainingOpen& remains, NtTime opened, const FileState& state) {
    using Flags = share_mode_flags;
    share_mode entry;
    entry.holder = disconnected_holder(remains.open_id);
    entry.open_id = remains.open_id;
    entry.access_mask = remains.granted_access;
    entry.share_access = remains.share_access;
    entry.create_options = remains.options;
    entry.flags = Flags::SHARE_MODE_RESILIENT | Flags::SHARE_MODE_PERSISTENT;
    if ((remains.options & option::delete_on_close) != 0) entry.flags |= Flags::SHARE_MODE_DELETE_ON_CLOSE;
    entry.opened = opened;
    entry.oplock = static_cast<oplock_kind>(remains.oplock);
    entry.caching = caching_of(remains.oplock);
    if (remains.oplock == OplockLevel::lease) {
        entry.caching = static_cast<uint8_t>(remains.lease.state);
        entry.lease = lease_id{remains.lease_client, remains.lease_key};
    }
    if (auto r = modes.restore(remains.file, entry, remains.lease, state); !r) return r;
    const ByteRangeLocks::Owner owner{remains.file, remains.open_id, true};
    if (remains.locks.empty() || locks.count(remains.file, remains.open_id) > 0) return {};
    if (auto r = locks.lock(owner, remains.locks, nullptr); !r) return r;
    std::vector<LockRange> restored;
    return locks.disconnect(owner, restored);
}

}  // namespace Atoll::fsa
