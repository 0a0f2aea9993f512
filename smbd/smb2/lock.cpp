// LOCK (MS-SMB2 3.3.5.14).
#include "smbd/smb2/lock.h"

#include "libcli/smb/file_io.h"
#include "libcli/smb/negotiate.h"
#include "libcli/smb/session.h"
#include "smbd/smb2/acting.h"
#include "smbd/smb2/admission.h"
#include "smbd/smb2/client.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/dispatch.h"
#include "smbd/smb2/durable.h"
#include "smbd/smb2/persistence.h"
#include "smbd/smb2/session_policy.h"

namespace Atoll::smb2 {
namespace {

using smb::LockElement;
namespace flag = smb::lock_flags;

// Whether a LOCK that comes again is known by its sequence number: of an open that may outlive its connection, and on any connection that
// could have several channels.
bool keeps_lock_sequences(const Request& request) {
    constexpr uint16_t first_dialect = 0x0210;
    const ChannelState& channel = request.connection().channel();
    if (channel.dialect < first_dialect) return false;
    if (request.open->durable) return true;
    return request.connection().is_smb3() && (channel.server_capabilities & smb::global_cap::multi_channel) != 0;
}

// Of the open, at that index; null: there is none, and the request is processed whatever its number.
uint8_t* sequence_entry(const Request& request, uint32_t index) {
    auto& entries = request.open->lock_sequences;
    if (index == 0 || index > entries.size() || !keeps_lock_sequences(request)) return nullptr;
    return &entries[index - 1];
}

// Whether this very request has been processed already. Another number makes the entry invalid.
bool is_repeated(const Request& request, const smb::LockRequest& lock) {
    uint8_t* const entry = sequence_entry(request, lock.sequence_index);
    if (entry == nullptr || *entry == xsrv::Open::no_lock_sequence) return false;
    if (*entry == lock.sequence_number) return true;
    *entry = xsrv::Open::no_lock_sequence;
    return false;
}

void note_sequence(const Request& request, uint32_t index, uint8_t number) {
    uint8_t* const entry = sequence_entry(request, index);
    if (entry == nullptr) return;
    *entry = number;
    note_lock_sequences(request);
}

NtStatus answer(Request& request) {
    smb::EmptyMessage{}.encode(request.out());
    return NtStatus::SUCCESS;
}

// 3.3.5.14.1. What was unlocked before a failure stays so.
NtStatus unlock(Request& request, const smb::LockRequest& lock) {
    auto& ranges = request.connection().client().lock_ranges();
    ranges.clear();
    NtStatus malformed = NtStatus::SUCCESS;
    for (size_t i = 0; i < lock.count() && malformed == NtStatus::SUCCESS; i++) {
        const LockElement element = lock.element(i);
        if (element.flags == flag::unlock) {  // 2.2.26.1: with nothing beside it
            ranges.push_back({element.offset, element.length, false});
        } else {
            malformed = NtStatus::INVALID_PARAMETER;
        }
    }
    if (!ranges.empty()) {
        if (const auto unlocked = request.open->file->unlock(ranges); !unlocked.ok()) return unlocked.error();
    }
    return malformed;
}

bool is_lock(uint32_t flags) {
    const uint32_t kind = flags & ~flag::fail_immediately;
    return kind == flag::shared_lock || kind == flag::exclusive_lock;
}

// 3.3.5.14.2. Several ranges never wait. An element that is no lock fails the request, and what was locked before it stays so.
NtStatus take_locks(Request& request, const smb::LockRequest& lock) {
    auto& ranges = request.connection().client().lock_ranges();
    ranges.clear();
    bool waits = false;
    NtStatus malformed = NtStatus::SUCCESS;
    for (size_t i = 0; i < lock.count() && malformed == NtStatus::SUCCESS; i++) {
        const LockElement element = lock.element(i);
        waits = waits || (element.flags & flag::fail_immediately) == 0;
        if (waits && lock.count() > 1) return NtStatus::INVALID_PARAMETER;
        if (is_lock(element.flags)) {
            ranges.push_back({element.offset, element.length, (element.flags & flag::exclusive_lock) != 0});
        } else {
            malformed = NtStatus::INVALID_PARAMETER;
        }
    }
    if (waits && !ranges.empty()) return request.lock_wait.start(ranges.front(), lock);
    if (!ranges.empty()) {
        const auto may = request.open->file->may_lock(&request.caching_wait);
        if (!may && may.error() == NtStatus::PENDING) return request.caching_wait.start(handle_lock);
        if (const auto locked = request.open->file->lock(ranges); !locked.ok()) return locked.error();
    }
    return malformed;
}

}  // namespace

NtStatus handle_lock(Request& request) {
    const auto lock = smb::LockRequest::decode(request.message);
    if (!lock.ok()) return lock.error();
    if (const NtStatus status = request.look_up_open(lock->file_id); status != NtStatus::SUCCESS) return status;
    if (const NtStatus status = check_channel_sequence(request, false); status != NtStatus::SUCCESS) return status;
    if (is_repeated(request, *lock)) return answer(request);
    if (const NtStatus status = act_as_user(request); status != NtStatus::SUCCESS) return status;
    const bool unlocks = (lock->element(0).flags & flag::unlock) != 0;
    // Who has to log on anew gives up what he has, and takes nothing more.
    if (!unlocks && session_has_expired(*request.session)) return NtStatus::NETWORK_SESSION_EXPIRED;
    const NtStatus status = unlocks ? unlock(request, *lock) : take_locks(request, *lock);
    if (status != NtStatus::SUCCESS) return status;
    note_sequence(request, lock->sequence_index, lock->sequence_number);
    (void)answer(request);
    return commit_locks(request);
}

NtStatus LockWait::start(const fsa::LockRange& range, const smb::LockRequest& lock) {
    range_ = range;
    sequence_index_ = lock.sequence_index;
    sequence_number_ = lock.sequence_number;
    const NtStatus status = attempt();
    if (status != NtStatus::PENDING) return status;
    request_.connection().client().lock_waits().push_back(&request_);
    request_.abandon = [](Request& request) { request.lock_wait.give_up(NtStatus::CANCELLED); };
    request_.interim_at_once = true;
    return NtStatus::PENDING;
}

NtStatus LockWait::attempt() {
    const auto locked = request_.open->file->lock({&range_, 1}, this);
    return locked.ok() ? NtStatus::SUCCESS : locked.error();
}

void LockWait::resume() {
    const NtStatus acting = act_as_user(request_);
    NtStatus status = acting == NtStatus::SUCCESS ? attempt() : acting;
    if (status == NtStatus::PENDING) return;
    std::erase(request_.connection().client().lock_waits(), &request_);
    if (status == NtStatus::SUCCESS) {
        note_sequence(request_, sequence_index_, sequence_number_);
        (void)answer(request_);
        status = commit_locks(request_);
    }
    if (status != NtStatus::PENDING) end(status);
}

void LockWait::give_up(NtStatus status) {
    cancel();
    end(status);
}

void LockWait::end(NtStatus status) {
    std::erase(request_.connection().client().lock_waits(), &request_);
    request_.abandon = nullptr;
    request_.complete(status);
}

}  // namespace Atoll::smb2
