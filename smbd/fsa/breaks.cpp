// The holder's side of a break: its client is told, and answers or does not (MS-SMB2 3.3.4.6, 3.3.4.7, 3.3.5.22, 3.3.6.1).
#include <algorithm>

#include "base/log.h"
#include "smbd/fsa/core.h"
#include "smbd/fsa/limits.h"
#include "smbd/fsa/message_types.h"
#include "smbd/fsa/oplocks.h"
#include "tdb/messaging/messaging.h"

namespace Atoll::fsa {

namespace {

FileId file_of(const caching_break& message) { return {message.file.volume, message.file.inode, message.file.generation, message.stream}; }

constexpr uint64_t break_timeout = limits::break_timeout_seconds * uint64_t{10'000'000};

OplockLevel level_of(uint8_t state) { return (state & caching::read) != 0 ? OplockLevel::ii : OplockLevel::none; }

}  // namespace

OplockTable::OplockTable(Core& core, const FileSystemParams& params, ShareModes& modes)
    : core_(core), params_(params), modes_(modes), leases_(params.messaging != nullptr ? params.leases : nullptr) {
    modes_.attach(*this);
    if (!possible()) return;
    timer_.emplace(*params_.loop, [this] { expire(); });
    params_.messaging->receive(message_caching_breaks, [this](messaging::Message& message) { receive(message.payload); });
}

OplockTable::~OplockTable() {
    if (possible()) params_.messaging->receive(message_caching_breaks, {});
}

void OplockTable::receive(Bytes payload) {
    caching_break message;
    if (const auto decoded = decode(payload, message); !decoded) return log_error("fsa: a break: {}", decoded.error().message());
    hear(message);
}

void OplockTable::hear(const caching_break& message) {
    if (!is_news(message)) return;
    if (message.acknowledge) await(message);
    if (tell_client(message) || !message.acknowledge) return;
    // Nobody there to answer: then it is given up.
    const auto own = std::ranges::find_if(awaited_, [&](const Awaited& one) { return one.is_of(message); });
    if (own != awaited_.end() && !own->is_over) give_up_unanswered(*own);
}

// A message may come late, when what it is about has been closed and opened anew under the same lease, and it may come twice, for each
// that waits sends it: whoever was first may have died before he sent it.
bool OplockTable::is_news(const caching_break& message) {
    if (std::ranges::any_of(awaited_, [&](const Awaited& one) { return one.is_of(message); })) return false;
    const locking_record* record = modes_.look_at(file_of(message));
    const Actor holder{server_id_of(params_.self), message.open_id, nullptr};
    const uint64_t asked_at = message.deadline.ticks - break_timeout;
    return record != nullptr && std::ranges::any_of(record->share_modes, [&](const share_mode& entry) {
               if (message.lease ? entry.lease != message.lease : !holder.owns(entry)) return false;
               if (!message.acknowledge) return entry.opened.ticks <= asked_at;
               return any(entry.flags & share_mode_flags::SHARE_MODE_BREAKING) && entry.breaking_to == message.to &&
                      entry.break_deadline == message.deadline;
           });
}

// False: there is no way to the client.
bool OplockTable::tell_client(const caching_break& message) {
    OpenFile* open = message.lease ? core_.find_open(*message.lease) : core_.find_open(message.open_id);
    if (open == nullptr || params_.breaks == nullptr) return false;
    if (!message.lease) {
        if (!message.acknowledge) came_down(*open, message.to);
        return params_.breaks->oplock_break(*open, level_of(message.to), message.acknowledge);
    }
    const LeaseBreak broken{message.lease->client, message.lease->key, message.from, message.to, message.epoch, message.acknowledge};
    return params_.breaks->lease_break(*open, broken);
}

void OplockTable::await(const caching_break& message) {
    awaited_.push_back({file_of(message), message.open_id, message.lease, message.deadline});
    if (!timer_->is_set()) expire();
}

void OplockTable::stop_awaiting(uint64_t open_id, const lease_id* lease) {
    std::erase_if(awaited_, [&](const Awaited& one) {
        return lease != nullptr ? one.lease && *one.lease == *lease : !one.lease && one.open_id == open_id;
    });
}

// MS-SMB2 3.3.6.1: what was not acknowledged in time is given up. Sets the timer for the next.
void OplockTable::expire() {
    const NtTime now = NtTime::now();
    for (;;) {
        const auto late = std::ranges::find_if(awaited_, [&](const Awaited& one) { return !one.is_over && one.deadline <= now; });
        if (late == awaited_.end()) break;
        log_info("fsa: a client has not acknowledged a break");
        give_up_unanswered(*late);
    }
    const auto next = std::ranges::min_element(awaited_, {}, [](const Awaited& one) { return std::pair(one.is_over, one.deadline); });
    if (next == awaited_.end() || next->is_over) return timer_->cancel();
    timer_->set_in(std::chrono::nanoseconds((next->deadline.ticks - now.ticks) * 100));
}

// It stays among the awaited until it is known wherever it has to be: the client's answer still counts.
void OplockTable::give_up_unanswered(Awaited& awaited) {
    awaited.is_over = true;
    const Awaited one = awaited;
    OpenFile* const open = one.lease ? core_.find_open(*one.lease) : core_.find_open(one.open_id);
    if (open == nullptr || params_.breaks == nullptr) return given_up(one);
    params_.breaks->unanswered(*open, [this, one] { given_up(one); });
}

// Unless that break is over: the client's answer may have come, here or to another process that serves it.
void OplockTable::given_up(const Awaited& one) {
    std::erase_if(awaited_, [&](const Awaited& other) { return other.deadline == one.deadline && other.open_id == one.open_id; });
    (void)settle(one.file, one.open_id, one.lease ? &*one.lease : nullptr, 0, &one.deadline).ok();
}

// The holder is down to `state`. What else is to be broken meanwhile, breaks at once.
Result<void, NtStatus> OplockTable::settle(const FileId& file, uint64_t open_id, const lease_id* lease, uint8_t state,
                                           const NtTime* deadline) {
    auto locked = modes_.lock(file);
    if (!locked) return locked.failure();
    locking_record& record = modes_.record();
    const Actor self{server_id_of(params_.self), open_id, nullptr};
    const auto held = std::ranges::find_if(record.share_modes, [&](const share_mode& entry) {
        return lease != nullptr ? entry.lease && *entry.lease == *lease : self.owns(entry);
    });
    if (held == record.share_modes.end()) return lease != nullptr ? NtStatus::OBJECT_NAME_NOT_FOUND : NtStatus::INVALID_OPLOCK_PROTOCOL;
    if (!any(held->flags & share_mode_flags::SHARE_MODE_BREAKING)) {
        if (lease != nullptr) return NtStatus::UNSUCCESSFUL;
        // MS-FSA 2.1.5.19: only who has the file to himself has something to acknowledge.
        return (held->caching & caching::write) != 0 ? NtStatus::INVALID_DEVICE_STATE : NtStatus::INVALID_OPLOCK_PROTOCOL;
    }
    const bool by_client = deadline == nullptr;
    if (!by_client && held->break_deadline != *deadline) return NtStatus::UNSUCCESSFUL;
    if (by_client && (state & ~held->breaking_to) != 0) return NtStatus::REQUEST_NOT_ACCEPTED;
    const auto next = static_cast<uint8_t>(state & held->then_to);
    stop_awaiting(open_id, lease);
    if (OpenFile* open = lease == nullptr ? core_.find_open(open_id) : nullptr) came_down(*open, state);
    give_up(record, *held, state);
    if (next != state) {
        // Handles first: RH to R, which is acknowledged, and R to nothing, which is not.
        const bool handles_first = next == 0 && (state & caching::handle) != 0;
        start(record, file, *held, handles_first ? static_cast<uint8_t>(state & ~caching::handle) : next, Step::further);
        for_lease(record, *held, [&](share_mode& each) { each.then_to = next; });
    }
    if (auto r = modes_.write(*locked); !r) return r;
    locked->release();
    send();
    return {};
}

void OplockTable::came_down(OpenFile& open, uint8_t state) {
    open.oplock = level_of(state);
    if (state == 0) core_.kernel_oplocks.release(open);
}

// MS-SMB2 3.3.5.22.1
Result<OplockLevel, NtStatus> OplockTable::acknowledge(OpenFile& open, OplockLevel level) {
    const OplockLevel held = open.oplock;
    auto state = static_cast<uint8_t>(level == OplockLevel::ii ? caching::read : caching::none);
    const bool known =
        level == OplockLevel::none || level == OplockLevel::ii || (level == OplockLevel::exclusive && held == OplockLevel::batch);
    // The client asked for more than it may have, or for nonsense: it has given up all.
    if (!known) state = 0;
    auto settled = settle(open.id, open.open_id, nullptr, state, nullptr);
    if (!settled && settled.error() == NtStatus::REQUEST_NOT_ACCEPTED) {
        settled = settle(open.id, open.open_id, nullptr, 0, nullptr);
        state = 0;
    }
    if (!settled) return settled.failure();
    if (level == OplockLevel::lease) return NtStatus::INVALID_PARAMETER;
    if (!known) return NtStatus::INVALID_OPLOCK_PROTOCOL;
    return open.oplock;
}

// MS-SMB2 3.3.5.22.2
Result<void, NtStatus> OplockTable::acknowledge(const lease_id& lease, uint32_t state) {
    const lease_record* found = leases_.find(lease);
    if (found == nullptr) return NtStatus::OBJECT_NAME_NOT_FOUND;
    const FileId file{found->file.volume, found->file.inode, found->file.generation, found->stream};
    if ((state & ~uint32_t{caching::all}) != 0) return NtStatus::REQUEST_NOT_ACCEPTED;
    return settle(file, 0, &lease, static_cast<uint8_t>(state), nullptr);
}

}  // namespace Atoll::fsa
