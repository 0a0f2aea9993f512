#include "smbd/fsa/caching_rules.h"

#include "smbd/fsa/types.h"

namespace Atoll::fsa {

namespace {

constexpr uint32_t stat_access_of_oplocks = access::read_attributes | access::write_attributes | access::synchronize;
constexpr uint32_t stat_access = stat_access_of_oplocks | access::read_control;

bool is_exclusive_oplock(const share_mode& entry) {
    return entry.oplock == oplock_kind::OPLOCK_EXCLUSIVE || entry.oplock == oplock_kind::OPLOCK_BATCH;
}

uint8_t without(uint8_t state, uint32_t lost) {
    const auto kept = static_cast<uint8_t>(state & ~lost);
    return (kept & caching::read) != 0 ? kept : uint8_t{0};  // there is no handle or write caching alone
}

uint8_t kept_beside_open(CachingOperation operation, uint32_t desired, const share_mode& entry) {
    if (entry.oplock == oplock_kind::OPLOCK_LEASE) {
        if ((desired & ~stat_access) == 0) return entry.caching;
        return operation == CachingOperation::overwrite ? uint8_t{0} : without(entry.caching, caching::write);
    }
    if ((desired & ~stat_access_of_oplocks) == 0) return entry.caching;
    if (operation == CachingOperation::overwrite) return 0;
    return static_cast<uint8_t>(entry.caching & caching::read);
}

}  // namespace

bool Actor::owns(const share_mode& entry) const { return entry.open_id == open_id && entry.holder == process; }

bool Actor::shares_key(const share_mode& entry) const {
    if (owns(entry)) return true;
    return lease != nullptr && entry.lease && *entry.lease == *lease;
}

bool is_stat_open(uint32_t access) { return (access & ~stat_access) == 0; }

uint8_t kept_beside(CachingOperation operation, uint32_t desired, const share_mode& entry) {
    const bool lease = entry.oplock == oplock_kind::OPLOCK_LEASE;
    switch (operation) {
        case CachingOperation::open:
        case CachingOperation::overwrite: return kept_beside_open(operation, desired, entry);
        case CachingOperation::share:
        case CachingOperation::remove: return lease ? without(entry.caching, caching::handle) : entry.caching;
        case CachingOperation::name:
            if (lease) return without(entry.caching, caching::handle);
            return entry.oplock == oplock_kind::OPLOCK_BATCH ? uint8_t{0} : entry.caching;
        case CachingOperation::data: return 0;
        case CachingOperation::child: return lease ? uint8_t{0} : entry.caching;
    }
    return entry.caching;
}

bool needs_acknowledgment(const share_mode& entry) {
    if (entry.oplock == oplock_kind::OPLOCK_LEASE) return (entry.caching & (caching::write | caching::handle)) != 0;
    return is_exclusive_oplock(entry);
}

bool waits_for(CachingOperation operation, const share_mode& entry, uint8_t kept) {
    const auto lost = static_cast<uint8_t>(entry.caching & ~kept);
    switch (operation) {
        case CachingOperation::share:
        case CachingOperation::name:
        case CachingOperation::remove: return needs_acknowledgment(entry);
        case CachingOperation::open:
        case CachingOperation::overwrite:
        case CachingOperation::data: return (lost & caching::write) != 0;
        case CachingOperation::child: return false;
    }
    return false;
}

uint8_t grantable_lease(const locking_record& record, const Actor& actor, uint32_t wanted) {
    if (!is_valid_lease_state(wanted)) return 0;
    auto state = static_cast<uint8_t>(wanted);
    for (const share_mode& other : record.share_modes) {
        if (actor.shares_key(other) || any(other.flags & share_mode_flags::SHARE_MODE_OF_STREAM)) continue;
        if (!is_stat_open(other.access_mask) || other.caching != 0) state = without(state, caching::write);
        if (other.oplock == oplock_kind::OPLOCK_LEVEL_II && other.caching != 0) state = without(state, caching::handle);
        if ((other.caching & caching::write) != 0) return 0;
    }
    return state;
}

OplockLevel grantable_oplock(const locking_record& record, const Actor& actor, OplockLevel wanted) {
    if (wanted == OplockLevel::none) return wanted;
    OplockLevel level = wanted;
    for (const share_mode& other : record.share_modes) {
        if (actor.owns(other) || any(other.flags & share_mode_flags::SHARE_MODE_OF_STREAM)) continue;
        if (!is_stat_open(other.access_mask) || other.caching != 0) level = OplockLevel::ii;
        if ((other.caching & (caching::handle | caching::write)) != 0) return OplockLevel::none;
    }
    return level;
}

uint8_t caching_of(OplockLevel level) {
    switch (level) {
        case OplockLevel::ii: return caching::read;
        case OplockLevel::exclusive: return caching::read | caching::write;
        case OplockLevel::batch: return caching::all;
        default: return caching::none;
    }
}

bool is_valid_lease_state(uint32_t state) { return state == 0 || ((state & caching::read) != 0 && (state & ~uint32_t{caching::all}) == 0); }

}  // namespace Atoll::fsa
