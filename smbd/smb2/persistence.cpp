#include "smbd/smb2/persistence.h"

#include <algorithm>

#include "base/log.h"
#include "libcli/smb/file_io.h"
#include "libcli/smb/negotiate.h"
#include "smbd/smb2/acting.h"
#include "smbd/smb2/client.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/dispatch.h"
#include "smbd/smb2/lock_sequence.h"

namespace Atoll::smb2 {

namespace {

bool is_persistent(const xsrv::Open& open) {
    return open.file != nullptr && open.durable && open.durable->kind == xsrv::handle_kind::HANDLE_PERSISTENT;
}

Persistence& persistence_of(const Request& request) { return request.connection().client().persistence(); }

NtStatus status_of(const Error& error) { return error.code == Code::no_space ? NtStatus::DISK_FULL : NtStatus::INSUFFICIENT_RESOURCES; }

// The answer of a request whose commit has ended so, or PENDING.
NtStatus settled(Request& request, const Result<void>& committed, Settle settle) {
    if (!committed) log_error("what a client has open persistently cannot be written: {}", committed.error().message());
    const NtStatus status = committed ? NtStatus::SUCCESS : status_of(committed.error());
    const bool open = request.open && request.open->is_open();
    return settle != nullptr && open && (committed || act_as_user(request) == NtStatus::SUCCESS) ? settle(request, status) : status;
}

void finish_commit(Request& request, const Result<void>& committed, Settle settle) {
    request.connection().client().create_replays().not_waiting(request);
    const NtStatus status = settled(request, committed, settle);
    if (status != NtStatus::PENDING) request.complete(status);
}

// No longer than a CREATE with this GUID may come again.
void wait_as_create(Request& request, const Guid& create_guid) {
    request.connection().client().create_replays().waits(create_guid, request);
}

NtStatus settle_create(Request& request, NtStatus status) {
    if (status == NtStatus::SUCCESS) return status;
    if (const auto closed = request.connection().client().close_open(*request.open); !closed) log_warning("closing a file");
    return status;
}

xsrv::LockBuckets buckets_of(const smb::LockRequest& lock) {
    xsrv::LockBuckets out = 0;
    for (size_t i = 0; i < lock.count(); i++) out |= xsrv::bucket_of({lock.element(i).offset, lock.element(i).length, false});
    return out;
}

// After a failure its locks go again. Another LOCK that was on its way to the disk behind it told of them too: before the failure is
// answered, the disk has them no more.
NtStatus settle_locks(Request& request, NtStatus failed) {
    if (failed == NtStatus::SUCCESS) return failed;
    const auto lock = smb::LockRequest::decode(request.message);
    if (!lock || (lock->element(0).flags & smb::lock_flags::unlock) != 0) return failed;
    forget_sequence(request, {lock->sequence_index, lock->sequence_number});
    std::vector<fsa::LockRange> ranges;
    for (size_t i = 0; i < lock->count(); i++) ranges.push_back({lock->element(i).offset, lock->element(i).length, false});
    if (const auto unlocked = request.open->file->unlock(ranges); !unlocked) log_warning("locks stay that were not committed");
    Persistence& persistence = persistence_of(request);
    committer::Batch batch;
    xsrv::put_locks(batch, persistence.record_of(*request.open), buckets_of(*lock));
    const auto submitted = persistence.commits().submit(batch, [&request, failed](const Result<void>& committed) {
        if (!committed) log_error("locks that were taken back may be on the disk: {}", committed.error().message());
        request.complete(failed);
    });
    return submitted ? NtStatus::PENDING : failed;
}

// It came again while the first was on its way to the disk: if that has failed since, its locks are gone, whatever became of this commit.
NtStatus settle_locks_again(Request& request, NtStatus status) {
    const auto lock = smb::LockRequest::decode(request.message);
    const bool done = lock && has_been_done(request, {lock->sequence_index, lock->sequence_number});
    return status == NtStatus::SUCCESS && !done ? NtStatus::IO_DEVICE_ERROR : status;
}

bool same_lease(const std::optional<xsrv::open_lease>& known, const std::optional<xsrv::open_lease>& now) {
    if (known.has_value() != now.has_value()) return false;
    return !known || (known->state == now->state && known->epoch == now->epoch);
}

}  // namespace

void Persistence::note(xsrv::Open& open) {
    if (open.durable->lease) by_lease_.emplace(open.durable->lease->lease_key, &open);
}

void Persistence::forget(xsrv::Open& open) {
    if (!open.durable || !open.durable->lease) return;
    const auto [first, last] = by_lease_.equal_range(open.durable->lease->lease_key);
    for (auto at = first; at != last; ++at) {
        if (at->second != &open) continue;
        by_lease_.erase(at);
        return;
    }
}

committer::Batch Persistence::take_removal(xsrv::Open& open) {
    committer::Batch batch;
    if (!is_there() || !is_persistent(open)) return batch;
    xsrv::remove_open(batch, open.persistent_id, open.lock_buckets);
    fsa::FileState state;
    if (!client_.file_system().describe_persistent(*open.file, true, state)) xsrv::remove_file(batch, open.file->file_id().of_file());
    forget(open);
    open.durable.reset();
    return batch;
}

void Persistence::closed(xsrv::Open& open) { submit(take_removal(open)); }

void Persistence::submit(const committer::Batch& batch) {
    if (batch.empty()) return;
    const auto submitted = commits().submit(batch, [](const Result<void>& committed) {
        if (!committed) log_error("what has ended of persistent handles cannot be written: {}", committed.error().message());
    });
    if (!submitted) log_error("what has ended of persistent handles cannot be written: {}", submitted.error().message());
}

xsrv::open_global Persistence::record_of(xsrv::Open& open) {
    xsrv::open_global record;
    client_.tables().describe_open(open, record);
    fsa::RemainingOpen remains;
    client_.file_system().describe_remains(*open.file, remains);
    xsrv::durable_open& durable = *record.durable;
    xsrv::note_remains(remains, durable);
    durable.disconnected = {};
    durable.step_begun.reset();
    std::ranges::copy(open.lock_sequences, durable.lock_sequences.begin());
    record.name = remains.name;
    if (durable.lease && open.durable->lease) open.durable->lease = durable.lease;
    return record;
}

void Persistence::put_changed(committer::Batch& batch, const Guid& lease_key, const xsrv::Open* but) {
    const auto [first, last] = by_lease_.equal_range(lease_key);
    for (auto at = first; at != last; ++at) {
        xsrv::Open& open = *at->second;
        if (&open == but || !is_persistent(open)) continue;
        const auto known = open.durable->lease;
        const xsrv::open_global now = record_of(open);
        if (!same_lease(known, now.durable->lease)) xsrv::put_open(batch, now);
    }
}

void Persistence::caching_ends(xsrv::Open& open, std::function<void()> then) {
    committer::Batch batch;
    const auto put = [&](xsrv::Open& one) {
        if (!is_persistent(one)) return;
        xsrv::open_global record = record_of(one);
        if (record.durable->lease) {
            record.durable->lease->state = fsa::caching::none;
        } else {
            record.durable->oplock = fsa::oplock_kind::OPLOCK_NONE;
        }
        one.durable->lease = record.durable->lease;
        xsrv::put_open(batch, record);
    };
    if (open.lease_key) {
        const auto [first, last] = by_lease_.equal_range(*open.lease_key);
        for (auto at = first; at != last; ++at) put(*at->second);
    } else if (is_there()) {
        put(open);
    }
    if (batch.empty()) return then();
    const auto submitted = commits().submit(batch, [then](const Result<void>& committed) {
        if (!committed) log_error("the end of a persistent handle's caching cannot be written: {}", committed.error().message());
        then();
    });
    if (submitted) return;
    log_error("the end of a persistent handle's caching cannot be written: {}", submitted.error().message());
    then();
}

bool is_persistent(const Request& request) { return request.open && is_persistent(*request.open); }

bool may_be_persistent(const Request& request) {
    const bool negotiated = (request.connection().channel().server_capabilities & smb::global_cap::persistent_handles) != 0;
    return negotiated && request.tcon->continuously_available && persistence_of(request).is_there();
}

bool asks_for_persistent(const Request& request, const smb::CreateContexts& contexts) {
    const auto& asked = contexts.durable_request_v2;
    return asked && (asked->flags & smb::durable_flags::persistent) != 0 && may_be_persistent(request);
}

NtStatus answer_when_committed(Request& request, const committer::Batch& batch, Settle settle) {
    if (batch.empty()) return NtStatus::SUCCESS;
    request.caching_wait.cancel();
    request.abandon = nullptr;  // it will be on the disk, or nobody knows
    const auto submitted = persistence_of(request).commits().submit(
        batch, [&request, settle](const Result<void>& committed) { finish_commit(request, committed, settle); });
    return submitted ? NtStatus::PENDING : settled(request, submitted, settle);
}

NtStatus commit_intent(Request& request, const smb::CreateRequest& create, const smb::CreateContexts& contexts, std::string_view path) {
    if (request.intent_committed || create.disposition == smb::CreateDisposition::open || !asks_for_persistent(request, contexts))
        return NtStatus::SUCCESS;
    xsrv::create_intent intent;
    intent.client_guid = request.session->client_guid;
    intent.create_guid = contexts.durable_request_v2->create_guid;
    intent.owner = request.session->token.user_sid;
    intent.share_path = request.tcon->share_path;
    intent.name = path;
    intent.disposition = static_cast<uint32_t>(create.disposition);
    intent.begun = NtTime::now();
    committer::Batch batch;
    xsrv::put_intent(batch, intent);
    const auto submitted = persistence_of(request).commits().submit(batch, [&request](const Result<void>& committed) {
        request.connection().client().create_replays().not_waiting(request);
        if (!committed) return request.complete(status_of(committed.error()));
        request.intent_committed = true;
        NtStatus status = still_there(request);
        if (status == NtStatus::SUCCESS) status = handle_create(request);
        if (status != NtStatus::PENDING) request.complete(status);
    });
    if (!submitted) return status_of(submitted.error());
    wait_as_create(request, intent.create_guid);
    return NtStatus::PENDING;
}

void drop_intent(Request& request, const smb::CreateContexts& contexts) {
    if (!request.intent_committed) return;
    committer::Batch batch;
    xsrv::remove_intent(batch, request.session->client_guid, contexts.durable_request_v2->create_guid);
    persistence_of(request).submit(batch);
}

void find_begun(Request& request, const smb::CreateContexts& contexts, std::string_view path) {
    if (request.intent_committed || !request.header.is_replay() || !asks_for_persistent(request, contexts)) return;
    const auto intent = persistence_of(request).state().find_intent(request.session->client_guid, contexts.durable_request_v2->create_guid);
    if (!intent || intent->owner != request.session->token.user_sid) return;
    if (intent->share_path != request.tcon->share_path || intent->name != path) return;
    request.begun = intent->begun;
    request.intent_committed = true;
}

namespace {

// What the file system has to have on the disk of a file that was made: else the open would outlive its file.
void run_sync(PoolWork& work) {
    const auto synced = work.file->run_flush();
    work.status = synced.ok() ? NtStatus::SUCCESS : synced.error();
}

// With the token of who deletes it, should it be closed by nobody.
void put_own_open(Request& request, committer::Batch& batch) {
    xsrv::Open& open = *request.open;
    Client& client = request.connection().client();
    xsrv::put_open(batch, client.persistence().record_of(open));
    fsa::FileState state;
    const bool deletes = (open.file->options() & fsa::option::delete_on_close) != 0;
    if (deletes && client.file_system().describe_persistent(*open.file, false, state))
        xsrv::put_file(batch, open.file->file_id().of_file(), state);
    if (open.durable->create_guid)  // one of its own, or of the process that was killed on the way
        xsrv::remove_intent(batch, request.session->client_guid, *open.durable->create_guid);
}

NtStatus commit_opened(Request& request) {
    committer::Batch batch;
    put_own_open(request, batch);
    Persistence& persistence = persistence_of(request);
    if (const auto& lease = request.open->durable->lease) persistence.put_changed(batch, lease->lease_key, request.open.get());
    wait_as_create(request, request.open->durable->create_guid.value_or(Guid{}));
    const NtStatus status = answer_when_committed(request, batch, settle_create);
    if (status != NtStatus::PENDING) request.connection().client().create_replays().not_waiting(request);
    return status;
}

void finish_sync(Request& request, PoolWork& work) {
    work.file->end_job();
    if (!is_persistent(request)) return request.complete(NtStatus::SUCCESS);  // it has been closed meanwhile
    NtStatus status = work.status;
    if (status == NtStatus::SUCCESS) status = act_as_user(request);
    if (status == NtStatus::SUCCESS) {
        status = commit_opened(request);
    } else {
        status = settle_create(request, status);
    }
    if (status != NtStatus::PENDING) request.complete(status);
}

}  // namespace

NtStatus commit_create(Request& request, const smb::CreateContexts& contexts, const fsa::CreateResult& result) {
    Persistence& persistence = persistence_of(request);
    if (!persistence.is_there()) return NtStatus::SUCCESS;
    if (is_persistent(request)) {
        persistence.note(*request.open);
        if (result.action == fsa::CreateAction::opened) return commit_opened(request);
        return request.run_on_pool(run_sync, finish_sync);
    }
    drop_intent(request, contexts);
    committer::Batch batch;
    if (result.oplock == fsa::OplockLevel::lease) persistence.put_changed(batch, contexts.lease->key, nullptr);
    return answer_when_committed(request, batch, settle_create);
}

NtStatus commit_reconnect(Request& request) {
    if (!is_persistent(request)) return NtStatus::SUCCESS;
    Persistence& persistence = persistence_of(request);
    persistence.note(*request.open);
    // A LOCK may have been under way when its process was killed; and whoever was about to end the open may have taken them from the disk.
    const xsrv::open_global record = persistence.record_of(*request.open);
    const xsrv::LockBuckets differing = persistence.state().differing(record);
    request.open->lock_buckets = xsrv::buckets_of(record) | differing;
    committer::Batch batch;
    xsrv::put_locks(batch, record, request.open->lock_buckets);
    put_own_open(request, batch);
    return answer_when_committed(request, batch);
}

namespace {

NtStatus commit_own_open(Request& request) {
    if (!is_persistent(request)) return NtStatus::SUCCESS;
    committer::Batch batch;
    xsrv::put_open(batch, persistence_of(request).record_of(*request.open));
    return answer_when_committed(request, batch);
}

// Of its locks those that may have been changed.
NtStatus commit_changed_locks(Request& request, Settle settle) {
    if (!is_persistent(request)) return NtStatus::SUCCESS;
    const auto lock = smb::LockRequest::decode(request.message);
    if (!lock) return lock.error();
    const xsrv::LockBuckets changed = buckets_of(*lock);
    const xsrv::open_global record = persistence_of(request).record_of(*request.open);
    committer::Batch batch;
    xsrv::put_locks(batch, record, changed);
    xsrv::put_open(batch, record);
    request.open->lock_buckets |= changed;
    return answer_when_committed(request, batch, settle);
}

}  // namespace

NtStatus commit_locks(Request& request) { return commit_changed_locks(request, settle_locks); }
NtStatus commit_locks_again(Request& request) { return commit_changed_locks(request, settle_locks_again); }

NtStatus commit_file(Request& request) {
    if (!request.tcon->continuously_available || !persistence_of(request).is_there()) return NtStatus::SUCCESS;
    fsa::FileState state;
    if (!request.connection().client().file_system().describe_persistent(*request.open->file, false, state)) return NtStatus::SUCCESS;
    committer::Batch batch;
    xsrv::put_file(batch, request.open->file->file_id().of_file(), state);
    if (is_persistent(request)) xsrv::put_open(batch, persistence_of(request).record_of(*request.open));
    return answer_when_committed(request, batch);
}

NtStatus commit_oplock(Request& request) { return commit_own_open(request); }

NtStatus commit_lease(Request& request, const Guid& lease_key) {
    committer::Batch batch;
    persistence_of(request).put_changed(batch, lease_key, nullptr);
    return answer_when_committed(request, batch);
}

}  // namespace Atoll::smb2
