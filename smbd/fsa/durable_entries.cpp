// The entries in locking.tdb and brlock.tdb of opens that outlive their process (MS-SMB2 3.3.7.1): whose they are while the client is away,
// and how they become somebody's again. Whether one has been taken back or has ended is decided by its entry in locking.tdb alone.
#include <algorithm>

#include "smbd/fsa/byte_range_locks.h"
#include "smbd/fsa/disconnected.h"
#include "smbd/fsa/oplocks.h"
#include "smbd/fsa/share_modes.h"

namespace Atoll::fsa {

namespace {

bool keeps_handle(const share_mode& entry) {
    if (any(entry.flags & share_mode_flags::SHARE_MODE_BREAKING)) return false;
    return entry.oplock == oplock_kind::OPLOCK_BATCH ||
           (entry.oplock == oplock_kind::OPLOCK_LEASE && (entry.caching & caching::handle) != 0);
}

}  // namespace

bool outlives_process(const share_mode& entry) {
    if (any(entry.flags & share_mode_flags::SHARE_MODE_RESILIENT)) return true;
    return any(entry.flags & share_mode_flags::SHARE_MODE_DURABLE) && keeps_handle(entry);
}

std::vector<share_mode>::iterator ShareModes::find_disconnected(uint64_t open_id) {
    return std::ranges::find_if(record_.share_modes,
                                [&](const share_mode& entry) { return entry.open_id == open_id && is_disconnected(entry.holder); });
}

Result<bool, NtStatus> ShareModes::make_durable(const FileId& id, uint64_t open_id, Lasting lasting) {
    auto locked = lock(id);
    if (!locked) return locked.failure();
    auto& entries = record_.share_modes;
    const auto own = std::ranges::find_if(entries, [&](const share_mode& entry) { return is_self(entry, open_id); });
    if (own == entries.end()) return false;
    if (lasting == Lasting::while_cached && !keeps_handle(*own)) return false;
    using Flags = share_mode_flags;
    constexpr auto all = Flags::SHARE_MODE_DURABLE | Flags::SHARE_MODE_RESILIENT | Flags::SHARE_MODE_PERSISTENT;
    auto flags = Flags::SHARE_MODE_DURABLE;
    if (lasting != Lasting::while_cached) flags = Flags::SHARE_MODE_RESILIENT;
    if (lasting == Lasting::persistent) flags |= Flags::SHARE_MODE_PERSISTENT;
    own->flags = (own->flags & ~all) | flags;
    if (auto r = write(*locked); !r) return r.failure();
    return true;
}

Result<bool, NtStatus> ShareModes::disconnect(const FileId& id, uint64_t open_id) {
    auto locked = lock(id);
    if (!locked) return locked.failure();
    auto& entries = record_.share_modes;
    const auto own = std::ranges::find_if(entries, [&](const share_mode& entry) { return is_self(entry, open_id); });
    if (own == entries.end() || !outlives_process(*own)) return false;
    own->holder = disconnected_holder(open_id);
    if (auto r = write(*locked); !r) return r.failure();
    return true;
}

Result<void, NtStatus> ShareModes::reconnect(const FileId& id, uint64_t open_id, share_mode& entry) {
    auto locked = lock(id);
    if (!locked) return locked.failure();
    drop_dead();
    const auto found = find_disconnected(open_id);
    if (found == record_.share_modes.end() || !outlives_process(*found)) return NtStatus::OBJECT_NAME_NOT_FOUND;
    found->holder = server_id_of(params_.self);
    oplocks_->renew_break(record_, *found);
    entry = *found;
    return write(*locked);
}

std::optional<share_mode> ShareModes::find_disconnected(const FileId& id, uint64_t open_id) {
    const auto locked = lock(id);
    if (!locked) return std::nullopt;
    drop_dead();
    const auto found = find_disconnected(open_id);
    if (found == record_.share_modes.end()) return std::nullopt;
    return *found;
}

// As MS-FSA 2.1.5.5, phases 1 to 3, for who cannot close it himself.
Result<ShareModes::Ended, NtStatus> ShareModes::remove_disconnected(const FileId& id, uint64_t open_id, Deletion& deletion) {
    deletion.now = deletion.by_close = false;
    auto locked = lock(id);
    if (!locked) return locked.failure();
    drop_dead();
    auto& entries = record_.share_modes;
    const auto found = find_disconnected(open_id);
    if (found == entries.end()) {
        const auto is_it = [&](const share_mode& entry) { return entry.open_id == open_id; };
        return std::ranges::any_of(entries, is_it) ? Ended::taken : Ended::gone;
    }
    if (any(found->flags & share_mode_flags::SHARE_MODE_DELETE_ON_CLOSE)) record_.delete_pending = deletion.by_close = true;
    const bool deletes = record_.delete_pending && entries.size() == 1;
    oplocks_->forget(record_, *found);
    if (deletes) {
        // It stays, as this process's, until the file is deleted.
        describe(deletion);
        found->holder = server_id_of(params_.self);
        found->flags = share_mode_flags::none;
        found->caching = 0;
    } else {
        entries.erase(found);
    }
    if (auto r = write(*locked); !r) return r.failure();
    return Ended::yes;
}

lock_holder* ByteRangeLocks::durable_place(uint64_t open_id) {
    const auto found =
        std::ranges::find_if(record_.holders, [&](const lock_holder& one) { return one.durable_open == open_id && one.locks > 0; });
    return found == record_.holders.end() ? nullptr : &*found;
}

Result<void, NtStatus> ByteRangeLocks::make_durable(const Owner& owner) {
    auto record = fetch(owner.id);
    if (!record) return record.failure();
    std::vector<LockEntry> own;
    for (LockArray* locks : {&exclusive_, &shared_, &empty_}) {
        own.clear();
        locks->remove_if([&](const LockEntry& entry) {
            if (entry.open_id != owner.open_id) return false;
            count_out(entry.holder);
            own.push_back(entry);
            return true;
        });
        for (LockEntry& entry : own) {
            entry.holder = own_place(owner);
            record_.holders[entry.holder].locks++;
            locks->insert(entry);
        }
    }
    return store(*record);
}

Result<void, NtStatus> ByteRangeLocks::disconnect(const Owner& owner, std::vector<LockRange>& out) {
    auto record = fetch(owner.id);
    if (!record) return record.failure();
    lock_holder* const place = durable_place(owner.open_id);
    if (place == nullptr) return {};
    place->holder = disconnected_holder(owner.open_id);
    if (auto r = store(*record); !r) return r;
    list(owner, out);
    return {};
}

void ByteRangeLocks::list(const Owner& owner, std::vector<LockRange>& out) {
    out.clear();
    if (!look(owner.id)) return;
    for (const LockArray* locks : {&exclusive_, &shared_, &empty_}) {
        for (size_t i = 0; i < locks->size(); i++) {
            const LockEntry entry = locks->at(i);
            if (entry.open_id == owner.open_id) out.push_back({entry.offset, entry.last - entry.offset + 1, locks == &exclusive_});
        }
    }
}

Result<size_t, NtStatus> ByteRangeLocks::reconnect(const Owner& owner) {
    auto record = fetch(owner.id);
    if (!record) return record.failure();
    lock_holder* const place = durable_place(owner.open_id);
    if (place == nullptr) return size_t{0};
    const size_t count = place->locks;
    place->holder = server_id_of(params_.self);
    if (auto r = store(*record); !r) return r.failure();
    return count;
}

}  // namespace Atoll::fsa
