#include "smbd/smb2/durable.h"

#include <algorithm>

#include "base/log.h"
#include "base/utf.h"
#include "conf/durability.h"
#include "smbd/fsa/disconnected.h"
#include "smbd/smb2/client.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/limits.h"
#include "smbd/smb2/lock_sequence.h"
#include "smbd/smb2/persistence.h"

namespace Atoll::smb2 {
namespace {

// MS-SMB2 3.3.5.9.10
uint32_t timeout_of(const smb::CreateContexts& contexts) {
    const uint32_t asked = contexts.durable_request_v2 ? contexts.durable_request_v2->timeout_ms : 0;
    return asked == 0 ? limits::durable_timeout_ms : std::min(asked, limits::max_durable_timeout_ms);
}

// What MS-SMB2 calls the object store's granting durability. Nobody can tell one guest from another.
bool may_be_durable(const Request& request) {
    const xsrv::Tcon& tcon = *request.tcon;
    const xsrv::Session& session = *request.session;
    return tcon.conf && conf::why_not_durable(*tcon.conf).empty() && !session.is_guest && !session.is_anonymous;
}

bool keeps_handle(const fsa::CreateResult& created) {
    if (created.oplock == fsa::OplockLevel::batch) return true;
    return created.oplock == fsa::OplockLevel::lease && (created.lease.state & fsa::caching::handle) != 0;
}

bool is_away(Client& client, const xsrv::open_global& record) {
    return fsa::is_disconnected(record.owner) || !client.messaging().exists(messaging::ServerId(record.owner));
}

// MS-SMB2 3.3.5.9.7, 3.3.5.9.12: whether the lease is the one that the request says.
bool lease_fits(const Request& request, const fsa::CreateParams& params, const xsrv::open_global& record) {
    const auto& lease = record.durable->lease;
    if (lease.has_value() != (params.lease != nullptr)) return false;
    if (!lease) return true;
    return record.client_guid == request.connection().channel().client_guid && params.lease->key == lease->lease_key;
}

bool is_same_share(const Request& request, const xsrv::open_global& record) {
    const xsrv::Tcon& tcon = *request.tcon;
    return record.share_path == tcon.share_path && equal_ignoring_case(record.share_name, tcon.share_name);
}

// MS-SMB2 3.3.5.9.7, 3.3.5.9.12
std::optional<xsrv::open_global> find_asked(Request& request, const smb::CreateContexts& contexts) {
    Client& client = request.connection().client();
    if (!contexts.durable_reconnect_v2) return client.tables().find_open(contexts.durable_reconnect->persistent_id);
    const smb::DurableReconnectV2& asked = *contexts.durable_reconnect_v2;
    auto record = client.tables().find_open(asked.file_id.persistent_id);
    const bool persistent = (asked.flags & smb::durable_flags::persistent) != 0 && may_be_persistent(request);
    if (!record && persistent) record = client.tables().find_persistent_open(asked.create_guid);
    return record;
}

NtStatus check_record(Request& request, const smb::CreateContexts& contexts, const fsa::CreateParams& params,
                      const xsrv::open_global& record) {
    if (!record.durable || !is_away(request.connection().client(), record)) return NtStatus::OBJECT_NAME_NOT_FOUND;
    const xsrv::durable_open& durable = *record.durable;
    if (contexts.durable_reconnect_v2) {
        const smb::DurableReconnectV2& asked = *contexts.durable_reconnect_v2;
        // Who asked for one of version 1 gave none, and says so with zeros.
        if (durable.create_guid.value_or(Guid{}) != asked.create_guid) return NtStatus::OBJECT_NAME_NOT_FOUND;
        const bool says_persistent = (asked.flags & smb::durable_flags::persistent) != 0;
        if (xsrv::is_persistent(record) && !says_persistent) return NtStatus::OBJECT_NAME_NOT_FOUND;
        if (!xsrv::is_persistent(record) && says_persistent) return NtStatus::INVALID_PARAMETER;
    } else if (xsrv::is_persistent(record)) {
        return NtStatus::OBJECT_NAME_NOT_FOUND;  // which is not to be had back by a context of version 1
    }
    if (!lease_fits(request, params, record)) return NtStatus::OBJECT_NAME_NOT_FOUND;
    if (durable.owner != request.session->token.user_sid) return NtStatus::ACCESS_DENIED;
    return is_same_share(request, record) ? NtStatus::SUCCESS : NtStatus::OBJECT_NAME_NOT_FOUND;
}

fsa::RemainingOpen remains_of(const Request& request, const xsrv::open_global& record) {
    fsa::RemainingOpen out = xsrv::remaining_open(record);
    out.token = &request.tcon->token;
    return out;
}

// The open as its record has it, on this connection.
void take_over(Request& request, const xsrv::open_global& record, size_t locks) {
    xsrv::Open& open = *request.open;
    open.persistent_id = record.persistent_id;
    open.opened = record.opened;
    open.lock_sequences = record.durable->lock_sequences;
    open.instance = record.instance;
    open.durable = record.durable;
    open.durable->disconnected = {};
    open.durable->locks.clear();
    settle_lock_step(open, locks);
}

// Open.DurableOwner
void set_owner(const xsrv::Session& session, xsrv::durable_open& durable) {
    durable.owner = session.token.user_sid;
    durable.owner_name = session.domain_name + '\\' + session.account_name;
}

// False: somebody else was first. Not so who ends what a dead holder had, and has noted meanwhile that its client is away.
bool take_over_record(Request& request, xsrv::open_global& record) {
    xsrv::Tables& tables = request.connection().client().tables();
    const auto taken = tables.take_over_open(*request.open, record);
    if (!taken || *taken) return taken && *taken;
    auto now = tables.find_open(record.persistent_id);
    if (!now || !now->durable || !fsa::is_disconnected(now->owner) || now->volatile_id != record.volatile_id) return false;
    record = std::move(*now);
    const auto retaken = tables.take_over_open(*request.open, record);
    return retaken && *retaken;
}

// It could not be taken back: it waits for its client again, as before.
void give_back(Request& request, const xsrv::open_global& record, const fsa::RemainingOpen& remains) {
    Client& client = request.connection().client();
    xsrv::durable_open state = *record.durable;
    if (!fsa::is_disconnected(record.owner)) xsrv::note_remains(remains, state);
    client.open_is_away(record.persistent_id, record.name, state);
}

}  // namespace

NtStatus check_durable_contexts(const Request& request, smb::CreateContexts& contexts) {
    if (!request.connection().is_smb3()) {
        contexts.durable_request_v2.reset();
        contexts.durable_reconnect_v2.reset();
    }
    const bool v1 = contexts.durable_request || contexts.durable_reconnect;
    const bool v2 = contexts.durable_request_v2 || contexts.durable_reconnect_v2;
    if (v1 && v2) return NtStatus::INVALID_PARAMETER;
    if (contexts.durable_request_v2 && contexts.durable_reconnect_v2) return NtStatus::INVALID_PARAMETER;
    return NtStatus::SUCCESS;
}

void prepare_durability(Request& request, const smb::CreateContexts& contexts, const fsa::CreateParams& params,
                        const fsa::CreateResult& created) {
    if (!contexts.durable_request && !contexts.durable_request_v2) return;
    const bool persistent = asks_for_persistent(request, contexts);
    if (created.open->is_directory() || !(persistent || keeps_handle(created)) || !may_be_durable(request)) return;
    xsrv::durable_open& durable = request.open->durable.emplace();
    durable.kind = persistent ? xsrv::handle_kind::HANDLE_PERSISTENT : xsrv::handle_kind::HANDLE_DURABLE;
    durable.desired_access = params.desired_access;
    durable.create_action = static_cast<uint32_t>(created.action);
    if (contexts.durable_request_v2) durable.create_guid = contexts.durable_request_v2->create_guid;
    durable.timeout_ms = timeout_of(contexts);
    durable.oplock = static_cast<fsa::oplock_kind>(created.oplock);
    if (created.oplock == fsa::OplockLevel::lease) durable.lease = xsrv::lease_record(contexts.lease->key, created.lease);
    durable.lock_sequences = request.open->lock_sequences;
    set_owner(*request.session, durable);
}

void settle_durability(Request& request) {
    Client& client = request.connection().client();
    const bool persistent = is_persistent(request);
    const auto lasting =
        client.file_system().make_lasting(*request.open->file, persistent ? fsa::Lasting::persistent : fsa::Lasting::while_cached);
    if (lasting && *lasting) return;
    request.open->durable.reset();
    if (const auto renewed = client.tables().renew_open(*request.open); !renewed) log_error("{}", renewed.error().message());
}

NtStatus make_resilient(Request& request, uint32_t timeout_ms) {
    Client& client = request.connection().client();
    xsrv::Open& open = *request.open;
    if (open.file->is_directory() || !may_be_durable(request)) return NtStatus::NOT_SUPPORTED;
    if (is_persistent(request)) return NtStatus::SUCCESS;  // which is more
    const auto before = open.durable;
    if (!open.durable) open.durable.emplace();
    open.durable->kind = xsrv::handle_kind::HANDLE_RESILIENT;
    open.durable->timeout_ms = timeout_ms;
    open.durable->lock_sequences = open.lock_sequences;
    set_owner(*request.session, *open.durable);
    fsa::CreateResult now;
    client.file_system().describe(*open.file, now);
    open.durable->oplock = static_cast<fsa::oplock_kind>(now.oplock);
    if (const auto renewed = client.tables().renew_open(open); !renewed) {
        open.durable = before;
        return NtStatus::INSUFFICIENT_RESOURCES;
    }
    const auto lasting = client.file_system().make_lasting(*open.file, fsa::Lasting::always);
    if (lasting && *lasting) return NtStatus::SUCCESS;
    open.durable = before;
    if (const auto renewed = client.tables().renew_open(open); !renewed) log_error("{}", renewed.error().message());
    return lasting ? NtStatus::NOT_SUPPORTED : lasting.error();
}

void add_durable_response(const Request& request, const smb::CreateContexts& asked, smb::CreateResponseContexts& contexts) {
    const auto& durable = request.open->durable;
    if (!durable) return;
    if (asked.durable_request && !asked.durable_reconnect) contexts.durable = true;
    const uint32_t flags = is_persistent(request) ? smb::durable_flags::persistent : 0;
    if (asked.durable_request_v2) contexts.durable_v2 = smb::DurableResponseV2{durable->timeout_ms, flags};
}

NtStatus find_persistent(Request& request, const smb::CreateRequest& create, const smb::CreateContexts& contexts,
                         std::optional<xsrv::open_global>& found) {
    if (!request.header.is_replay() || !asks_for_persistent(request, contexts)) return NtStatus::SUCCESS;
    Client& client = request.connection().client();
    found = client.tables().find_persistent_open(contexts.durable_request_v2->create_guid);
    if (!found) return NtStatus::SUCCESS;
    const xsrv::durable_open& durable = *found->durable;
    if (!is_away(client, *found)) return NtStatus::FILE_NOT_AVAILABLE;
    if (durable.owner != request.session->token.user_sid) return NtStatus::ACCESS_DENIED;
    const bool same_lease =
        durable.lease.has_value() == contexts.lease.has_value() && (!durable.lease || durable.lease->lease_key == contexts.lease->key);
    const bool same = ((found->create_options ^ create.options) & ~fsa::option::write_through) == 0 &&
                      durable.desired_access == create.desired_access && found->share_access == create.share_access &&
                      is_same_share(request, *found) && same_lease;
    return same ? NtStatus::SUCCESS : NtStatus::CONTEXT_MISMATCH;
}

NtStatus why_not_available(Request& request, const smb::CreateContexts& contexts) {
    if (!request.connection().is_smb3()) return NtStatus::SHARING_VIOLATION;  // which does not have the other status
    if (!contexts.durable_request_v2 || request.header.is_replay()) return NtStatus::FILE_NOT_AVAILABLE;
    const auto found = request.connection().client().tables().find_persistent_open(contexts.durable_request_v2->create_guid);
    const bool own = found && found->client_guid == request.connection().channel().client_guid;
    return own ? NtStatus::DUPLICATE_OBJECTID : NtStatus::FILE_NOT_AVAILABLE;
}

NtStatus reconnect_open(Request& request, const smb::CreateContexts& contexts, const fsa::CreateParams& params,
                        const xsrv::open_global* replayed, fsa::CreateResult& result) {
    Client& client = request.connection().client();
    auto record = replayed != nullptr ? std::optional(*replayed) : find_asked(request, contexts);
    if (!record) return NtStatus::OBJECT_NAME_NOT_FOUND;
    const NtStatus status = replayed != nullptr ? NtStatus::SUCCESS : check_record(request, contexts, params, *record);
    if (status != NtStatus::SUCCESS) return status;
    fsa::RemainingOpen remains = remains_of(request, *record);
    // Of a process that has been killed a moment ago, the record does not know all yet.
    if (!fsa::is_disconnected(record->owner) && !client.file_system().find_disconnected(remains)) return NtStatus::OBJECT_NAME_NOT_FOUND;
    std::optional<std::string_view> expected;
    if (record->durable->lease && !any(record->flags & xsrv::open_flags::OPEN_DELETE_ON_CLOSE)) expected = params.path;
    take_over(request, *record, remains.locks.size());
    const bool mine = take_over_record(request, *record);
    auto taken = mine ? client.file_system().reconnect(*request.tcon->share, remains, expected, &request.caching_wait)
                      : Result<fsa::CreateResult, NtStatus>(NtStatus::OBJECT_NAME_NOT_FOUND);
    if (taken) {
        request.open->file = taken->open;
        taken->open->context = request.open.get();
        result = *taken;
        return NtStatus::SUCCESS;
    }
    if (mine) give_back(request, *record, remains);
    request.open->durable.reset();
    return taken.error();
}

}  // namespace Atoll::smb2
