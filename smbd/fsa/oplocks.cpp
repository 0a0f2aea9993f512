// Who is asked to give up what; the state of oplocks and leases. What their holders' clients hear and answer: breaks.cpp.
#include "smbd/fsa/oplocks.h"

#include <algorithm>

#include "base/log.h"
#include "idl/level.h"
#include "smbd/fsa/core.h"
#include "smbd/fsa/disconnected.h"
#include "smbd/fsa/limits.h"
#include "smbd/fsa/message_types.h"
#include "tdb/messaging/messaging.h"
#include "tdb/watch/watches.h"

namespace Atoll::fsa {

namespace {

constexpr uint64_t ticks_a_second = 10'000'000;
constexpr uint64_t break_timeout = limits::break_timeout_seconds * ticks_a_second;
constexpr uint64_t break_grace = limits::break_grace_seconds * ticks_a_second;

file_id file_of(const FileId& id) { return {id.volume, id.inode, id.generation}; }

FileId file_of(const lease_record& lease) { return {lease.file.volume, lease.file.inode, lease.file.generation, lease.stream}; }

bool is_breaking(const share_mode& entry) { return any(entry.flags & share_mode_flags::SHARE_MODE_BREAKING); }

void set_breaking(share_mode& entry, uint8_t to, NtTime deadline) {
    entry.flags = entry.flags | share_mode_flags::SHARE_MODE_BREAKING;
    entry.breaking_to = entry.then_to = to;
    entry.break_deadline = deadline;
}

void set_settled(share_mode& entry, uint8_t state) {
    if (!entry.lease) entry.oplock = (state & caching::read) != 0 ? oplock_kind::OPLOCK_LEVEL_II : oplock_kind::OPLOCK_NONE;
    entry.flags = entry.flags & ~share_mode_flags::SHARE_MODE_BREAKING;
    entry.caching = state;
    entry.breaking_to = entry.then_to = 0;
    entry.break_deadline = {};
}

}  // namespace

void OplockTable::take(locking_record& record, const FileId& id, size_t index, CachingOperation operation, uint32_t desired,
                       Outcome& outcome) {
    share_mode& entry = record.share_modes[index];
    uint8_t kept = kept_beside(operation, desired, entry) & entry.caching;
    if (kept != entry.caching && any(entry.flags & share_mode_flags::SHARE_MODE_ALL_OR_NOTHING)) kept = 0;
    const bool opens = operation == CachingOperation::open || operation == CachingOperation::overwrite;
    // One that comes down in steps, because somebody waits for more than it has been told, is waited for to the last.
    const bool in_steps = is_breaking(entry) && entry.then_to != entry.breaking_to && opens && !is_stat_open(desired);
    if (kept == entry.caching && !in_steps && !(operation == CachingOperation::share && is_disconnected(entry.holder))) return;
    if (end_disconnected(record, id, entry, outcome)) return;
    const bool waits = in_steps || waits_for(operation, entry, kept);
    const NtTime now = NtTime::now();
    if (is_breaking(entry) && entry.break_deadline.ticks + break_grace < now.ticks) {
        // Its own process should have seen to that.
        give_up(record, entry, 0);
        outcome.changed = true;
        return;
    }
    if (!is_breaking(entry)) {
        start(record, id, entry, kept);
        outcome.changed = true;
        if (!is_breaking(entry)) return;  // nothing that has to be acknowledged
    } else {
        // Whoever asked first may have died before he sent it.
        if (waits) ask(record, id, entry, entry.breaking_to, true, entry.break_deadline);
        if ((entry.then_to & ~kept) != 0) {
            for_lease(record, entry, [&](share_mode& each) { each.then_to = each.then_to & kept; });
            outcome.changed = true;
        }
    }
    outcome.wait = outcome.wait || waits;
    outcome.until.ticks = std::max(outcome.until.ticks, entry.break_deadline.ticks);
}

// An open whose client is away, and all others of its lease, end rather than give up anything (MS-SMB2 3.3.4.6, 3.3.4.7); a resilient one
// loses what it caches. False: there is somebody who can be asked.
bool OplockTable::end_disconnected(locking_record& record, const FileId& id, share_mode& entry, Outcome& outcome) {
    if (!is_disconnected(entry.holder)) return false;
    bool somebody = false, resilient = false;
    for_lease(record, entry, [&](share_mode& each) {
        somebody = somebody || !is_disconnected(each.holder);
        resilient = resilient || any(each.flags & share_mode_flags::SHARE_MODE_RESILIENT);
    });
    if (somebody && entry.lease && entry.caching != 0) return false;
    if (resilient) {
        give_up(record, entry, 0);
        outcome.changed = true;
        return true;
    }
    for_lease(record, entry, [&](share_mode& each) {
        if (!is_disconnected(each.holder)) return;
        Asked& asked = asked_.emplace_back();
        asked.holder = each.holder;
        asked.message.file = file_of(id);
        asked.message.stream = id.stream;
        asked.message.open_id = each.open_id;
    });
    outcome.wait = true;
    outcome.until.ticks = std::max(outcome.until.ticks, NtTime::now().ticks + ticks_a_second);
    return true;
}

// What need not be acknowledged has been given up from now on.
void OplockTable::start(locking_record& record, const FileId& id, share_mode& entry, uint8_t to, Step step) {
    const bool acknowledge = needs_acknowledgment(entry);
    const NtTime deadline{NtTime::now().ticks + break_timeout};
    if (entry.lease) lease_breaks(*entry.lease, to, acknowledge, step);
    ask(record, id, entry, to, acknowledge, deadline);
    for_lease(record, entry, [&](share_mode& each) {
        if (acknowledge) {
            set_breaking(each, to, deadline);
        } else {
            set_settled(each, to);
        }
    });
}

// Notes the message to the holder.
void OplockTable::ask(const locking_record& record, const FileId& id, const share_mode& entry, uint8_t to, bool acknowledge,
                      NtTime deadline) {
    Asked& asked = asked_.emplace_back();
    asked.holder = entry.holder;
    for (const share_mode& other : record.share_modes) {  // of a lease, somebody who is there
        if (is_disconnected(asked.holder) && other.lease && other.lease == entry.lease) asked.holder = other.holder;
    }
    asked.message = message_of(id, entry, to, acknowledge, deadline);
}

caching_break OplockTable::message_of(const FileId& id, const share_mode& entry, uint8_t to, bool acknowledge, NtTime deadline) {
    caching_break message{file_of(id), id.stream, entry.open_id, entry.caching, to, acknowledge, entry.lease, 0, deadline};
    const lease_record* lease = entry.lease ? leases_.find(*entry.lease) : nullptr;
    if (lease != nullptr && lease->version > 1) message.epoch = lease->epoch;
    return message;
}

void OplockTable::renew_break(locking_record& record, share_mode& entry) {
    if (!is_breaking(entry)) return;
    bool minded = false;
    for_lease(record, entry, [&](const share_mode& each) { minded = minded || (&each != &entry && !is_disconnected(each.holder)); });
    if (minded) return;
    const NtTime deadline{NtTime::now().ticks + break_timeout};
    for_lease(record, entry, [&](share_mode& each) { each.break_deadline = deadline; });
}

// By way of the loop: whoever has the open takes it back just now.
void OplockTable::break_again(const FileId& id, const share_mode& entry) {
    if (is_breaking(entry)) tell(entry.holder, message_of(id, entry, entry.breaking_to, true, entry.break_deadline));
}

void OplockTable::tell(const tdb::server_id& holder, const caching_break& message) {
    encoded_.clear();
    encode(message, encoded_, idl::written_level());
    const auto sent = params_.messaging->send(messaging::ServerId(holder), message_caching_breaks, encoded_);
    // One that has ended holds nothing; one that is behind is overtaken by the deadline.
    if (!sent) log_info("fsa: a break: {}", sent.error().message());
}

void OplockTable::lease_breaks(const lease_id& lease, uint8_t to, bool acknowledge, Step step) {
    const lease_record* found = leases_.find(lease);
    if (found == nullptr) return;
    lease_record record = *found;
    if (record.version > 1 && step == Step::first) record.epoch++;
    record.breaking = acknowledge;
    record.breaking_to = to;
    if (!acknowledge) record.state = to;
    (void)leases_.put(record).ok();  // the entries say it too
}

void OplockTable::lease_came_down(const lease_id& lease, uint8_t state) {
    const lease_record* found = leases_.find(lease);
    if (found == nullptr) return;
    lease_record record = *found;
    record.state = state;
    record.breaking = false;
    record.breaking_to = 0;
    (void)leases_.put(record).ok();
}

void OplockTable::give_up(locking_record& record, share_mode& entry, uint8_t state) {
    if (entry.lease) lease_came_down(*entry.lease, state);
    for_lease(record, entry, [&](share_mode& each) { set_settled(each, state); });
}

void OplockTable::forget(const locking_record& record, const share_mode& entry) {
    if (entry.oplock == oplock_kind::OPLOCK_NONE) return;
    if (!entry.lease) {
        stop_awaiting(entry.open_id, nullptr);
        return;
    }
    const bool others = std::ranges::any_of(
        record.share_modes, [&](const share_mode& other) { return &other != &entry && other.lease && *other.lease == *entry.lease; });
    if (others) return;
    stop_awaiting(entry.open_id, &*entry.lease);
    leases_.remove(*entry.lease);
}

Result<void> OplockTable::wait(const tdb::LockedRecord& record, NtTime until, Wait& wait) {
    const uint64_t now = NtTime::now().ticks;
    const uint64_t ticks = (until.ticks > now ? until.ticks - now : 0) + break_grace + ticks_a_second / 10;
    return wait.arm(*params_.watches, *params_.loop, record, monotonic_now() + std::chrono::nanoseconds(ticks * 100));
}

Result<void, NtStatus> OplockTable::grant(locking_record& record, const FileId& id, share_mode& entry, const CachingRequest& request,
                                          CachingGrant& granted) {
    if (request.level == OplockLevel::lease) {
        if (request.lease == nullptr || !leases_.is_there()) return {};
        granted.level = OplockLevel::lease;
        granted.lease = enter_lease(record, id, entry, request);
        return {};
    }
    const Actor actor{entry.holder, entry.open_id, nullptr};
    granted.level = grantable_oplock(record, actor, request.level);
    if ((caching_of(granted.level) & ~request.limit) != 0) granted.level = OplockLevel::ii;
    if (granted.level == OplockLevel::ii && !(request.level_ii && request.shared)) granted.level = OplockLevel::none;
    entry.oplock = static_cast<oplock_kind>(granted.level);
    entry.caching = caching_of(granted.level);
    return {};
}

// MS-SMB2 3.3.5.9.8, 3.3.5.9.11: an open under a lease that is there may raise its state, never lower it.
LeaseGrant OplockTable::enter_lease(locking_record& record, const FileId& id, share_mode& entry, const CachingRequest& request) {
    const LeaseRequest& wanted = *request.lease;
    const lease_id name = id_of(wanted);
    const Actor actor{entry.holder, entry.open_id, &name};
    const auto held =
        std::ranges::find_if(record.share_modes, [&](const share_mode& other) { return other.lease && *other.lease == name; });
    const lease_record* found = held == record.share_modes.end() ? nullptr : leases_.find(name);
    lease_record lease;
    uint8_t most = grantable_lease(record, actor, wanted.state & request.limit);
    if ((wanted.state & caching::read) == 0 && wanted.state != 0) most = 0;
    if ((most & caching::write) == 0 && !request.shared) most = 0;
    if (found == nullptr) {
        lease.id = name;
        lease.file = file_of(id);
        lease.stream = id.stream;
        lease.version = wanted.version;
        lease.state = most;
        lease.parent = wanted.parent;
        lease.epoch = wanted.version > 1 ? static_cast<uint16_t>(wanted.epoch + 1) : uint16_t{0};
    } else {
        lease = *found;
        // A process that is killed between its two writes leaves a lease that says otherwise: the entries are right.
        lease.state = held->caching;
        lease.breaking = is_breaking(*held);
        lease.breaking_to = held->breaking_to;
        // All of what is asked for, or nothing (MS-FSA 2.1.5.18.1).
        const bool more = (lease.state & ~most) == 0 && lease.state != most && most == (wanted.state & request.limit);
        if (!lease.breaking && more) {
            lease.state = most;
            if (lease.version > 1) lease.epoch++;
            for_lease(record, *held, [&](share_mode& each) { each.caching = most; });
        }
    }
    entry.oplock = oplock_kind::OPLOCK_LEASE;
    entry.lease = name;
    entry.caching = lease.state;
    if (found != nullptr && is_breaking(*held)) {
        set_breaking(entry, held->breaking_to, held->break_deadline);
        entry.then_to = held->then_to;
    }
    LeaseGrant out;
    out.state = lease.state;
    out.breaking = lease.breaking;
    out.parent = lease.parent;
    out.epoch = lease.epoch;
    out.version = lease.version;
    if (!leases_.put(lease)) out.state = entry.caching = 0;
    return out;
}

std::optional<LeaseGrant> OplockTable::find_lease(const lease_id& lease) {
    const lease_record* found = leases_.find(lease);
    if (found == nullptr) return std::nullopt;
    LeaseGrant out;
    out.state = found->state;
    out.breaking = found->breaking;
    out.parent = found->parent;
    out.epoch = found->epoch;
    out.version = found->version;
    return out;
}

// A process that is killed between its two writes leaves the lease's without the file's.
void OplockTable::drop_orphans() {
    for (const lease_record& lease : leases_.all()) {
        const auto held = modes_.lock(file_of(lease));
        if (!held) continue;
        const bool had = std::ranges::any_of(modes_.record().share_modes, [&](const share_mode& entry) { return entry.lease == lease.id; });
        if (!had) leases_.remove(lease.id);
    }
}

Result<void, NtStatus> OplockTable::check_lease(const LeaseRequest& request, const FileId* id) {
    const lease_record* found = leases_.find(id_of(request));
    if (found == nullptr) return {};
    const FileId there = file_of(*found);
    if (id != nullptr && there == *id) return {};
    const lease_id name = id_of(request);
    // A record that a process left that has been killed names nobody.
    if (modes_.has_lease(there, name)) return NtStatus::INVALID_PARAMETER;
    leases_.remove(name);
    return {};
}

Result<void, NtStatus> OplockTable::make_way(const FileId& id, const Actor& actor, CachingOperation operation, Wait* wait) {
    if (!possible() || !modes_.may_be_cached(id)) return {};
    auto locked = modes_.lock(id);
    if (!locked) return locked.failure();
    locking_record& record = modes_.record();
    Outcome outcome;
    if (wait != nullptr) {
        const size_t before = record.share_modes.size();
        modes_.drop_dead();
        outcome.changed = record.share_modes.size() != before && !(record.delete_pending && record.share_modes.empty());
    }
    for (size_t i = 0; i < record.share_modes.size(); i++) {
        const share_mode& entry = record.share_modes[i];
        // Whoever changes the data loses his own level II too, for it has no key (MS-FSA 2.1.4.12, BreakToNone).
        const bool own_level_ii = operation == CachingOperation::data && entry.oplock == oplock_kind::OPLOCK_LEVEL_II;
        if (!actor.shares_key(entry) || own_level_ii) take(record, id, i, operation, access::all, outcome);
    }
    if (outcome.changed) {
        if (auto r = modes_.write(*locked); !r) return r;
    }
    Result<void> armed;
    const bool waits = outcome.wait && wait != nullptr;
    if (waits) armed = this->wait(*locked, outcome.until, *wait);
    locked->release();
    send();
    if (!armed) return NtStatus::INSUFFICIENT_RESOURCES;
    return waits ? Result<void, NtStatus>(NtStatus::PENDING) : Result<void, NtStatus>();
}

Result<void, NtStatus> OplockTable::make_way(OpenFile& open, CachingOperation operation, Wait* wait) {
    return make_way(open.id, open.actor(), operation, wait);
}

void OplockTable::break_for_write(OpenFile& open) {
    if (open.oplock == OplockLevel::exclusive || open.oplock == OplockLevel::batch) return;
    const auto made = make_way(open, CachingOperation::data, nullptr);
    if (!made) log_error("fsa: what others cache of {} is not broken: {}", open.name, to_string(made.error()));
}

void OplockTable::break_for_lock(OpenFile& open) { break_for_write(open); }

void OplockTable::break_for_program(OpenFile& open) {
    auto locked = modes_.lock(open.id);
    if (!locked) return;
    locking_record& record = modes_.record();
    const Actor self = open.actor();
    const auto own = std::ranges::find_if(record.share_modes, [&](const share_mode& entry) { return self.owns(entry); });
    if (own == record.share_modes.end() || own->caching == 0) return core_.kernel_oplocks.release(open);
    if (is_breaking(*own)) return;  // to nothing
    start(record, open.id, *own, 0);
    if (!modes_.write(*locked)) return asked_.clear();
    locked->release();
    send();
}

Result<void, NtStatus> OplockTable::wait_for_kernel(const FileId& id, const Actor& actor, CachingOperation operation, Wait& wait) {
    if (auto made = make_way(id, actor, operation, &wait); !made) return made;
    auto locked = modes_.lock(id);
    if (!locked) return locked.failure();
    if (!wait.arm(*params_.watches, *params_.loop, *locked, monotonic_now() + limits::posix_lock_retry))
        return NtStatus::INSUFFICIENT_RESOURCES;
    return NtStatus::PENDING;
}

// A client of this very process is told at once: before its next request is answered, and before this one is.
void OplockTable::send() {
    std::vector<Asked> now;
    now.swap(asked_);
    for (const Asked& asked : now) {
        if (is_disconnected(asked.holder)) {
            const auto& file = asked.message.file;
            core_.end_disconnected({file.volume, file.inode, file.generation, asked.message.stream}, asked.message.open_id);
            continue;
        }
        if (holder_of(asked.holder) == params_.self) {
            hear(asked.message);
            continue;
        }
        tell(asked.holder, asked.message);
    }
    now.clear();
    if (asked_.empty()) asked_.swap(now);  // its capacity
}

}  // namespace Atoll::fsa
