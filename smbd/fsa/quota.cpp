#include "smbd/fsa/quota.h"

#include <algorithm>

namespace Atoll::fsa {

namespace {

using Limit = QuotaEntry;

NtStatus status_of(int error) { return error == EOPNOTSUPP ? NtStatus::NOT_SUPPORTED : nt_status_from_errno(error); }

// No limit is 0 to the file system and -1 to clients, to whom 0 is a limit: the smallest one that the file system has (MS-FSCC 2.4.41).
uint64_t to_wire(uint64_t bytes) { return bytes == 0 ? Limit::no_limit : bytes; }
uint64_t from_wire(uint64_t bytes) { return bytes == Limit::no_limit ? 0 : std::max<uint64_t>(bytes, 1); }
bool is_limit(uint64_t bytes) { return bytes == Limit::no_limit || bytes <= INT64_MAX; }

}  // namespace

// MS-FSA 2.1.5.13.3. Nobody is told when a limit is passed, so neither of the flags that say so is ever set.
Result<QuotaControl, NtStatus> VolumeQuotas::control() {
    const auto state = quotas_->state();
    if (!state) return status_of(state.error());
    const auto limits = quotas_->defaults();
    if (!limits) return status_of(limits.error());
    QuotaControl out;
    out.threshold = to_wire(limits->soft);
    out.limit = to_wire(limits->hard);
    out.flags = *state == vfs::QuotaState::enforced ? QuotaControl::enforced : QuotaControl::tracked;
    return out;
}

// MS-FSA 2.1.5.16.6
Result<void, NtStatus> VolumeQuotas::set_control(const QuotaControl& value) {
    if (!is_limit(value.threshold) || !is_limit(value.limit)) return NtStatus::INVALID_PARAMETER;
    vfs::QuotaState state = vfs::QuotaState::off;
    if ((value.flags & QuotaControl::enforced) != 0) state = vfs::QuotaState::enforced;
    if ((value.flags & QuotaControl::tracked) != 0) state = vfs::QuotaState::tracked;
    if (auto r = quotas_->set_defaults(state, {from_wire(value.threshold), from_wire(value.limit)}); !r) return status_of(r.error());
    return {};
}

// Zeros for a SID that has no entry (MS-SMB2 3.3.5.20.4), which is what one that uses nothing and has no limits is here.
Result<QuotaEntry, NtStatus> VolumeQuotas::of(const Sid& sid) {
    QuotaEntry none{sid, 0, 0, 0};
    const auto uid = ids_.uid_of(sid);
    if (!uid) {
        if (auto r = quotas_->state(); !r) return status_of(r.error());
        return none;
    }
    const auto quota = quotas_->of(*uid);
    if (!quota) return status_of(quota.error());
    if (quota->used == 0 && !quota->has_limits()) return none;
    return QuotaEntry{sid, quota->used, to_wire(quota->limits.soft), to_wire(quota->limits.hard)};
}

// A position is the least uid that has not been given yet.
Result<QuotaEntry, NtStatus> VolumeQuotas::next(uint64_t& position) {
    while (position <= UINT32_MAX) {
        const auto quota = quotas_->next(static_cast<uid_t>(position));
        if (!quota && (quota.error() == ENOENT || quota.error() == ESRCH)) break;
        if (!quota) return status_of(quota.error());
        position = uint64_t{quota->uid} + 1;
        if (quota->used == 0 && !quota->has_limits()) continue;
        return QuotaEntry{ids_.user_sid(quota->uid), quota->used, to_wire(quota->limits.soft), to_wire(quota->limits.hard)};
    }
    return NtStatus::NO_MORE_ENTRIES;
}

Result<uint64_t, NtStatus> VolumeQuotas::position_after(const Sid& sid) {
    const auto uid = ids_.uid_of(sid);
    if (!uid) return NtStatus::INVALID_PARAMETER;  // MS-FSA 2.1.5.21
    return uint64_t{*uid} + 1;
}

// MS-FSA 2.1.5.22
Result<void, NtStatus> VolumeQuotas::set(const QuotaEntry& entry) {
    if (entry.sid == well_known::administrators && entry.limit != Limit::no_limit) return NtStatus::ACCESS_DENIED;
    const auto uid = ids_.uid_of(entry.sid);
    if (!uid) return NtStatus::INVALID_PARAMETER;
    vfs::QuotaLimits limits;
    if (entry.limit == Limit::remove) {
        const auto now = quotas_->of(*uid);
        if (!now) return status_of(now.error());
        if (!now->has_limits()) return NtStatus::NO_MATCH;
    } else {
        if (!is_limit(entry.threshold) || !is_limit(entry.limit)) return NtStatus::INVALID_PARAMETER;
        limits = {from_wire(entry.threshold), from_wire(entry.limit)};
    }
    if (auto r = quotas_->set(*uid, limits); !r) return status_of(r.error());
    return {};
}

// Without an entry, a limit or quotas the volume is all his.
void VolumeQuotas::apply_to(VolumeSize& size, uid_t uid) {
    if (uid == 0) return;  // no limit holds for root
    const auto quota = quotas_->of(uid);
    if (!quota || quota->limits.hard == 0) return;
    const auto state = quotas_->state();
    if (!state || *state != vfs::QuotaState::enforced) return;
    const uint64_t unit = uint64_t{size.sectors_per_unit} * size.bytes_per_sector;
    const uint64_t left = quota->limits.hard - std::min(quota->limits.hard, quota->used);
    size.total_units = std::min(size.total_units, quota->limits.hard / unit);
    size.caller_units = std::min(size.caller_units, left / unit);
}

}  // namespace Atoll::fsa
