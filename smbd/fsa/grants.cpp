#include "smbd/fsa/grants.h"

#include <algorithm>

#include "base/log.h"
#include "smbd/fsa/limits.h"
#include "smbd/fsa/record_key.h"

namespace Atoll::fsa {

namespace {

using grants::rights;

constexpr uint32_t changing = access::write_data | access::append_data;

unsigned access_of(uint32_t mask) {
    return ((mask & (access::read_data | access::execute)) != 0 ? grants::reads : 0) | ((mask & changing) != 0 ? grants::writes : 0) |
           ((mask & access::delete_) != 0 ? grants::deletes : 0);
}

// One that shares nothing with others, because it only looks at attributes, needs nothing.
rights rights_of_open(const share_mode& entry) {
    rights out;
    const unsigned access = access_of(entry.access_mask);
    if (access != 0) out.opens = grants::open_bit(access, entry.share_access);
    out.change = (entry.access_mask & changing) != 0;
    return out;
}

uint8_t lease_of(uint32_t caching) { return static_cast<uint8_t>(caching & (caching::read | caching::write)); }

// What the file's opens use.
rights used_by(const locking_record* record) {
    rights out;
    if (record == nullptr) return out;
    for (const share_mode& entry : record->share_modes) {
        out = grants::merged(out, rights_of_open(entry));
        out.lease |= lease_of(entry.caching);
    }
    return out;
}

rights common(const rights& a, const rights& b) { return grants::without(a, grants::without(a, b)); }

}  // namespace

Result<grants::Answer, NtStatus> Grants::ask(const FileId& id, const rights& wanted, Wait* wait) {
    if (grants::empty(wanted)) return grants::Answer::here;
    const RecordKey key = key_of(id);
    if (wait == nullptr) {  // as whoever may not wait for a break
        auto there = params_.node_grants->has(key, wanted);
        if (!there) return NtStatus::INSUFFICIENT_RESOURCES;
        return *there ? grants::Answer::here : grants::Answer::refused;
    }
    auto answer = params_.node_grants->need(key, wanted, [&](const tdb::LockedRecord& record) {
        return wait->arm(*params_.watches, *params_.loop, record, monotonic_now() + limits::grant_patience);
    });
    if (answer) return *answer;
    log_error("grants: {}", answer.error().message());
    return NtStatus::INSUFFICIENT_RESOURCES;
}

Result<void, NtStatus> Grants::need_open(const FileId& id, const share_mode& entry, CachingRequest& caching, Wait* wait) {
    if (params_.node_grants == nullptr) return {};
    auto open = ask(id, rights_of_open(entry), wait);
    if (!open) return open.failure();
    if (*open != grants::Answer::here) return *open == grants::Answer::wait ? NtStatus::PENDING : NtStatus::SHARING_VIOLATION;
    rights lease;
    lease.lease = lease_of(caching.level == OplockLevel::lease ? caching.lease->state & caching.limit : caching_of(caching.level));
    auto cached = ask(id, lease, wait);
    if (!cached) return cached.failure();
    if (*cached == grants::Answer::wait) return NtStatus::PENDING;
    if (*cached == grants::Answer::here) return {};
    caching.level = OplockLevel::none;
    return {};
}

bool Grants::still_covers(const FileId& id, const share_mode& entry) {
    if (params_.node_grants == nullptr) return true;
    rights used = rights_of_open(entry);
    if (const locking_record* record = modes_.look_at(id)) {
        for (const share_mode& one : record->share_modes) {
            if (one.open_id == entry.open_id && one.holder == entry.holder) used.lease = lease_of(one.caching);
        }
    }
    auto there = params_.node_grants->has(key_of(id), used);
    return there && *there;
}

void Grants::recall(Bytes file, const rights& lost) {
    if (params_.node_grants == nullptr || file.size() != RecordKey().size()) return;
    // From here on nobody enters an open that rests on it: still_covers() comes after the entry, and this before the look at the entries.
    if (auto r = params_.node_grants->take_back(file, lost); !r) return log_error("grants: {}", r.error().message());
    auto idle = std::ranges::find_if(recalls_, [](const Recall& one) { return !one.busy; });
    Recall& recall = idle != recalls_.end() ? *idle : recalls_.emplace_back(*this);
    recall.id = id_of(file);
    recall.lost = lost;
    recall.busy = true;
    go_on(recall);
}

Result<void, NtStatus> Grants::end_caching(Recall& recall) {
    const Actor nobody{{}, 0, nullptr};
    // Handles that are only kept for later are closed; then data caching, as for an open or a change by somebody of this node.
    if (recall.lost.opens != 0) {
        if (auto r = oplocks_.make_way(recall.id, nobody, CachingOperation::share, &recall); !r) return r;
    }
    if ((recall.lost.lease & grants::read_lease) != 0) return oplocks_.make_way(recall.id, nobody, CachingOperation::data, &recall);
    if ((recall.lost.lease & grants::write_lease) != 0) return oplocks_.make_way(recall.id, nobody, CachingOperation::open, &recall);
    return {};
}

void Grants::go_on(Recall& recall) {
    const auto ended = end_caching(recall);
    if (!ended && ended.error() == NtStatus::PENDING) return;
    if (!ended) log_error("grants: what clients cache is not broken: {}", to_string(ended.error()));
    const rights kept = common(recall.lost, used_by(modes_.look_at(recall.id)));
    recall.cancel();
    recall.busy = false;
    const RecordKey key = key_of(recall.id);
    if (auto r = params_.node_grants->give_up(key, recall.lost, kept); !r) log_error("grants: {}", r.error().message());
}

}  // namespace Atoll::fsa
