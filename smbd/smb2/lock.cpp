// LOCK (MS-SMB2 3.3.5.14).
#include "smbd/smb2/lock.h"

#include "libcli/smb/file_io.h"
#include "libcli/smb/session.h"
#include "smbd/smb2/acting.h"
#include "smbd/smb2/admission.h"
#include "smbd/smb2/client.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/dispatch.h"
#include "smbd/smb2/lock_sequence.h"
#include "smbd/smb2/persistence.h"
#include "smbd/smb2/session_policy.h"

namespace Atoll::smb2 {
namespace {

using smb::LockElement;
namespace flag = smb::lock_flags;

LockSequence sequence_of(const smb::LockRequest& lock) { return {lock.sequence_index, lock.sequence_number}; }

NtStatus answer(Request& request) {
    smb::EmptyMessage{}.encode(request.out());
    return NtStatus::SUCCESS;
}

// What it did may not be on the disk yet.
NtStatus answer_repeated(Request& request) {
    (void)answer(request);
    return commit_locks_again(request);
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
    if (ranges.empty()) return malformed;
    fsa::Open& file = *request.open->file;
    const bool may_succeed = malformed == NtStatus::SUCCESS && ranges.size() <= file.lock_count();
    const NtStatus begun =
        begin_lock_step(request, may_succeed ? sequence_of(lock) : LockSequence{}, may_succeed ? file.lock_count() - ranges.size() : 0);
    if (begun != NtStatus::SUCCESS) return begun;
    if (const auto unlocked = file.unlock(ranges); !unlocked.ok()) return unlocked.error();
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
        fsa::Open& file = *request.open->file;
        const LockSequence sequence = malformed == NtStatus::SUCCESS ? sequence_of(lock) : LockSequence{};
        const NtStatus begun = begin_lock_step(request, sequence, file.lock_count() + ranges.size());
        if (begun != NtStatus::SUCCESS) return begun;
        if (const auto locked = file.lock(ranges); !locked.ok()) return locked.error();
    }
    return malformed;
}

}  // namespace

NtStatus handle_lock(Request& request) {
    const auto lock = smb::LockRequest::decode(request.message);
    if (!lock.ok()) return lock.error();
    if (const NtStatus status = request.look_up_open(lock->file_id); status != NtStatus::SUCCESS) return status;
    if (is_repeated(request, sequence_of(*lock))) return answer_repeated(request);
    if (const NtStatus status = act_as_user(request); status != NtStatus::SUCCESS) return status;
    const bool unlocks = (lock->element(0).flags & flag::unlock) != 0;
    // Who has to log on anew gives up what he has, and takes nothing more.
    if (!unlocks && session_has_expired(*request.session)) return NtStatus::NETWORK_SESSION_EXPIRED;
    const NtStatus status = unlocks ? unlock(request, *lock) : take_locks(request, *lock);
    if (status != NtStatus::SUCCESS) return status;
    note_sequence(request, sequence_of(*lock));
    (void)answer(request);
    return commit_locks(request);
}

NtStatus LockWait::start(const fsa::LockRange& range, const smb::LockRequest& lock) {
    range_ = range;
    sequence_ = sequence_of(lock);
    const NtStatus status = attempt();
    if (status != NtStatus::PENDING) return status;
    request_.connection().client().lock_waits().push_back(&request_);
    request_.abandon = [](Request& request) { request.lock_wait.give_up(NtStatus::CANCELLED); };
    request_.interim_at_once = true;
    return NtStatus::PENDING;
}

NtStatus LockWait::attempt() {
    fsa::Open& file = *request_.open->file;
    const NtStatus begun = begin_lock_step(request_, sequence_, file.lock_count() + 1);
    if (begun != NtStatus::SUCCESS) return begun;
    const auto locked = file.lock({&range_, 1}, this);
    return locked.ok() ? NtStatus::SUCCESS : locked.error();
}

void LockWait::resume() {
    const NtStatus acting = act_as_user(request_);
    // It came again while it waited: whichever of the two is woken first takes the lock for both.
    const bool was_done = acting == NtStatus::SUCCESS && has_been_done(request_, sequence_);
    NtStatus status = acting == NtStatus::SUCCESS && !was_done ? attempt() : acting;
    if (status == NtStatus::PENDING) return;
    std::erase(request_.connection().client().lock_waits(), &request_);
    if (was_done) {
        cancel();
        status = answer_repeated(request_);
    } else if (status == NtStatus::SUCCESS) {
        note_sequence(request_, sequence_);
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
