#include "smbd/fsa/grants.h"

#include <algorithm>
#include <chrono>

#include "base/log.h"
#include "idl/level.h"
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

// One that shares nothing with others, because it only looks at attributes, needs nothing. Who may add to a directory does not change it
// all the time: children_changed() asks.
rights rights_of_open(const share_mode& entry) {
    rights out;
    const unsigned access = access_of(entry.access_mask);
    if (access != 0) out.opens = grants::open_bit(access, entry.share_access);
    out.change = (entry.access_mask & changing) != 0 && (entry.create_options & option::directory_file) == 0;
    return out;
}

bool deletes_on_close(const share_mode& entry) { return any(entry.flags & share_mode_flags::SHARE_MODE_DELETE_ON_CLOSE); }

rights leasing(uint8_t lease) {
    rights out;
    out.lease = lease;
    return out;
}

constexpr rights all_opens{.opens = ~uint64_t{0}};
constexpr rights right_to_lock{.lock = true}, no_locks_elsewhere{.unlocked = true}, right_to_change{.change = true},
    right_to_delete{.deletion = true};

uint8_t lease_of(uint32_t caching) { return static_cast<uint8_t>(caching & (caching::read | caching::write)); }

rights common(const rights& a, const rights& b) { return grants::without(a, grants::without(a, b)); }

}  // namespace

// What the file's opens use.
rights Grants::used(const FileId& id) {
    rights out;
    out.lock = locks_.any_of_node(id, params_.self.node);
    const locking_record* record = modes_.look_at(id);
    if (record == nullptr) return out;
    out.deletion = record->delete_pending;
    for (const share_mode& entry : record->share_modes) {
        out = grants::merged(out, rights_of_open(entry));
        out.deletion |= id.stream != 0 && deletes_on_close(entry);
        out.lease |= lease_of(entry.caching);
    }
    return out;
}

Result<grants::Answer, NtStatus> Grants::ask(const FileId& id, const rights& wanted, Wait* wait) {
    if (grants::empty(wanted)) return grants::Answer::here;
    const RecordKey key = key_of(id);
    if (wait == nullptr) {  // as whoever may not wait for a break
        auto there = params_.node_grants->has(key, wanted);
        if (there && !*there) there = params_.node_grants->take(key, wanted);
        if (!there) return NtStatus::INSUFFICIENT_RESOURCES;
        return *there ? grants::Answer::here : grants::Answer::refused;
    }
    auto answer = params_.node_grants->need(key, wanted, wait->question(id), [&](const tdb::LockedRecord& record) {
        return wait->arm(*params_.watches, *params_.loop, record, monotonic_now() + limits::grant_patience);
    });
    if (answer) return *answer;
    log_error("grants: {}", answer.error().message());
    return NtStatus::INSUFFICIENT_RESOURCES;
}

// The same, but nobody waits for the answer, and it need not be yes.
grants::Answer Grants::want(const FileId& id, const rights& wanted) {
    const auto nobody_waits = [](const tdb::LockedRecord&) -> Result<void> { return {}; };
    grants::Question question = 0;
    const auto answer = params_.node_grants->need(key_of(id), wanted, question, nobody_waits);
    if (!answer) log_error("grants: {}", answer.error().message());
    return answer ? *answer : grants::Answer::wait;
}

Result<void, NtStatus> Grants::need_open(const FileId& id, const share_mode& entry, CachingRequest& caching, Wait* wait) {
    if (!covers(id)) return {};
    rights opens = rights_of_open(entry);
    // Whoever deletes on close should rather be alone: then his close deletes it.
    const bool would_delete = deletes_on_close(entry), may_share = shares_deletion(id);
    opens.deletion = would_delete && !may_share;
    const rights lease =
        leasing(lease_of(caching.level == OplockLevel::lease ? caching.lease->state & caching.limit : caching_of(caching.level)));
    rights all = grants::merged(opens, lease);
    all.unlocked = opens.opens != 0 && !id.is_directory();
    all.deletion = would_delete;
    if (grants::empty(all)) return {};
    auto there = params_.node_grants->has(key_of(id), all);  // one look, if nothing is new
    if (there && !*there) there = params_.node_grants->take(key_of(id), all);
    if (there && *there) return {};
    auto open = ask(id, opens, wait);
    if (!open) return open.failure();
    if (*open != grants::Answer::here) return *open == grants::Answer::wait ? NtStatus::PENDING : why_refused(id);
    if (all.unlocked) want(id, no_locks_elsewhere);
    if (would_delete && may_share) {
        const auto alone = ask(id, right_to_delete, wait);
        if (!alone) return alone.failure();
        if (*alone == grants::Answer::wait) return NtStatus::PENDING;
    }
    auto cached = ask(id, lease, wait);
    if (!cached) return cached.failure();
    if (*cached == grants::Answer::wait) return NtStatus::PENDING;
    if (*cached == grants::Answer::here) return {};
    caching.level = OplockLevel::none;
    return {};
}

Result<void, NtStatus> Grants::may_open(const FileId& id, uint32_t access, uint32_t share, Wait* wait) {
    if (!covers(id)) return {};
    rights opens;
    opens.opens = grants::open_bit(access_of(access), share);
    const auto open = ask(id, opens, wait);
    if (!open) return open.failure();
    if (*open == grants::Answer::wait) return NtStatus::PENDING;
    if (*open == grants::Answer::refused) return why_refused(id);
    const auto used = params_.node_grants->uses(key_of(id), opens);  // and may be recalled
    return used ? Result<void, NtStatus>() : Result<void, NtStatus>(NtStatus::INSUFFICIENT_RESOURCES);
}

bool Grants::still_covers(const FileId& id, const share_mode& entry) {
    if (!covers(id)) return true;
    rights used = rights_of_open(entry);
    used.deletion = deletes_on_close(entry) && !shares_deletion(id);
    if (const locking_record* record = modes_.look_at(id)) {
        for (const share_mode& one : record->share_modes) {
            if (one.open_id == entry.open_id && one.holder == entry.holder) used.lease = lease_of(one.caching);
        }
    }
    if (grants::empty(used)) return true;
    auto there = params_.node_grants->uses(key_of(id), used);
    return there && *there;
}

Result<void, NtStatus> Grants::need_lock(const FileId& id, Wait* wait) {
    if (!covers(id)) return {};
    const auto lock = ask(id, right_to_lock, wait);
    if (!lock) return lock.failure();
    if (*lock == grants::Answer::here) return {};
    return *lock == grants::Answer::wait ? NtStatus::PENDING : NtStatus::LOCK_NOT_GRANTED;
}

bool Grants::still_locks(const FileId& id) {
    if (!covers(id)) return true;
    const auto there = params_.node_grants->uses(key_of(id), right_to_lock);
    return there && *there;
}

Result<void, NtStatus> Grants::need_deletion(const FileId& id, Wait* wait) {
    if (!covers(id)) return {};
    const auto deletion = ask(id, right_to_delete, wait);
    if (!deletion) return deletion.failure();
    if (*deletion == grants::Answer::here) return {};
    return *deletion == grants::Answer::wait ? NtStatus::PENDING : NtStatus::SHARING_VIOLATION;
}

// --- Deletion while several nodes have it open

std::optional<grants::deletion_mark> Grants::mark_of(const FileId& id) {
    auto mark = params_.node_grants->mark_of(key_of(id));
    if (mark) return *mark;
    log_error("grants: {}", mark.error().message());
    return std::nullopt;
}

Result<void> Grants::set_mark(const FileId& id, const ShareModes::Deletion& orders) {
    deletion_orders what;
    what.share_path = orders.share_path;
    what.name = orders.name;
    what.delete_token = orders.token;
    Buffer encoded;
    encode(what, encoded, idl::written_level());
    const Bytes bytes = encoded.bytes();
    grants::deletion_mark mark;
    mark.how.assign(bytes.begin(), bytes.end());
    return params_.node_grants->set_mark(key_of(id), mark);
}

bool Grants::find_orders(const FileId& id, ShareModes::Deletion& orders) {
    if (!shares_deletion(id)) return false;
    const auto mark = mark_of(id);
    if (!mark || mark->withdrawn) return false;
    deletion_orders what;
    if (auto r = decode(mark->how, what); !r) {
        log_error("grants: a mark of inode {}: {}", id.inode, r.error().message());
        return false;
    }
    orders.now = true;
    orders.by_close = false;
    orders.share_path = std::move(what.share_path);
    orders.name = std::move(what.name);
    orders.stream.clear();
    orders.token = std::move(what.delete_token);
    return true;
}

NtStatus Grants::why_refused(const FileId& id) {
    const auto mark = shares_deletion(id) ? mark_of(id) : std::nullopt;
    return mark && !mark->withdrawn ? NtStatus::DELETE_PENDING : NtStatus::SHARING_VIOLATION;
}

// The mark stands before others are asked: who has it open then marks it, and answers that he keeps it.
Result<void, NtStatus> Grants::need_mark(const FileId& id, const ShareModes::Deletion& orders, Wait* wait) {
    if (!covers(id)) return {};
    if (!shares_deletion(id)) return need_deletion(id, wait);
    const auto mark = [&]() -> Result<void, NtStatus> {
        const auto set = set_mark(id, orders);
        if (set) return {};
        log_error("grants: {}", set.error().message());
        return NtStatus::INSUFFICIENT_RESOURCES;
    };
    if (wait != nullptr) {
        if (auto r = mark(); !r) return r;
    }
    const auto alone = ask(id, right_to_delete, wait);
    if (!alone) return alone.failure();
    if (*alone == grants::Answer::wait) return NtStatus::PENDING;
    if (wait != nullptr) return {};
    return *alone == grants::Answer::here ? mark() : Result<void, NtStatus>(NtStatus::SHARING_VIOLATION);
}

bool Grants::still_marked(const FileId& id) {
    if (!covers(id)) return true;
    const auto there = params_.node_grants->uses(key_of(id), right_to_delete);
    if (there && *there) return true;
    const auto mark = shares_deletion(id) ? mark_of(id) : std::nullopt;
    return mark && !mark->withdrawn;
}

void Grants::spread_mark(const FileId& id, const ShareModes::Deletion& orders) {
    if (!shares_deletion(id)) return;
    if (auto r = set_mark(id, orders); !r) return log_error("grants: {}", r.error().message());
    want(id, right_to_delete);
}

void Grants::withdraw_mark(const FileId& id) {
    if (!shares_deletion(id)) return;
    auto mark = mark_of(id);
    if (!mark || mark->withdrawn) return;
    mark->withdrawn = true;
    if (auto r = params_.node_grants->set_mark(key_of(id), mark); !r) log_error("grants: {}", r.error().message());
}

bool Grants::forget_withdrawn(const FileId& id) {
    const auto mark = shares_deletion(id) ? mark_of(id) : std::nullopt;
    if (!mark || !mark->withdrawn) return false;
    return modes_.set_delete_pending(id, false, {}, nullptr).ok();
}

bool Grants::deletes(const FileId& id, const ShareModes::Deletion& orders) {
    if (!shares_deletion(id)) return true;
    const auto mark = mark_of(id);
    if (mark && mark->withdrawn && !orders.by_close) {
        modes_.finish_deletion(id);
        return false;
    }
    auto alone = params_.node_grants->has(key_of(id), right_to_delete);
    if (alone && !*alone) alone = params_.node_grants->take(key_of(id), right_to_delete);
    if (alone && *alone) return true;
    // From here on whoever opens it asks, and hears of the mark.
    if (auto r = set_mark(id, orders); !r) log_error("grants: {}", r.error().message());
    if (auto r = params_.node_grants->lay_down(key_of(id), all_opens); !r) log_error("grants: {}", r.error().message());
    modes_.finish_deletion(id);
    return want(id, right_to_delete) == grants::Answer::here;
}

void Grants::deleted(const FileId& id) {
    if (!shares_deletion(id)) return;
    if (auto r = params_.node_grants->set_mark(key_of(id), std::nullopt); !r) log_error("grants: {}", r.error().message());
}

// A node that wants all that is open of it may be one that deletes it: then what stays open here is marked as well. Nobody begins to use
// it.
void Grants::adopt_mark(const FileId& id) {
    if (modes_.look_at(id) == nullptr || modes_.is_delete_pending(id)) return;
    if (!find_orders(id, orders_)) return;
    const auto marked =
        modes_.set_delete_pending(id, true, {orders_.share_path, orders_.name, {}}, orders_.token ? &*orders_.token : nullptr);
    if (!marked) return log_error("grants: what is to be deleted is not marked: {}", to_string(marked.error()));
    // Who has begun to watch it since the other node told of it.
    if (const locking_record* record = modes_.look_at(id)) notifier_.marked_deleted(record->share_modes);
}

void Grants::children_changed(const FileId& directory) {
    if (covers(directory)) want(directory, right_to_change);
}

void Grants::recall(Bytes file, const rights& lost) {
    if (!shared() || file.size() != RecordKey().size()) return;
    auto idle = std::ranges::find_if(recalls_, [](const Recall& one) { return !one.busy; });
    Recall& recall = idle != recalls_.end() ? *idle : recalls_.emplace_back(*this);
    recall.id = id_of(file);
    recall.lost = lost;
    recall.busy = true;
    recall.taken_back = false;
    go_on(recall);
}

// From `here` on nobody enters an open that rests on it: still_covers() comes after the entry, and this before the look at the entries.
Result<grants::Answer> Grants::take_back(Recall& recall) {
    NtTime until;
    return params_.node_grants->take_back(key_of(recall.id), recall.lost, until, [&](const tdb::LockedRecord& record) -> Result<void> {
        const NtTime now = NtTime::now();
        const auto left = std::chrono::nanoseconds((until.ticks > now.ticks ? until.ticks - now.ticks : 0) * 100);
        return recall.arm(*params_.watches, *params_.loop, record, monotonic_now() + left);
    });
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
    if (!recall.taken_back) {
        const auto back = take_back(recall);
        if (!back) {
            log_error("grants: {}", back.error().message());
            recall.busy = false;
            return;
        }
        if (*back == grants::Answer::wait) return;
        recall.taken_back = true;
    }
    const auto ended = end_caching(recall);
    if (!ended && ended.error() == NtStatus::PENDING) return;
    if (!ended) log_error("grants: what clients cache is not broken: {}", to_string(ended.error()));
    if (recall.lost.opens != 0) adopt_mark(recall.id);
    const rights kept = common(recall.lost, used(recall.id));
    recall.cancel();
    recall.busy = false;
    const RecordKey key = key_of(recall.id);
    if (auto r = params_.node_grants->give_up(key, recall.lost, kept); !r) log_error("grants: {}", r.error().message());
}

}  // namespace Atoll::fsa
