// CREATE (MS-SMB2 3.3.5.9).
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/utf.h"
#include "libcli/security/security_descriptor.h"
#include "libcli/smb/create.h"
#include "libcli/smb/negotiate.h"
#include "smbd/smb2/acting.h"
#include "smbd/smb2/app_instance.h"
#include "smbd/smb2/client.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/dispatch.h"
#include "smbd/smb2/durable.h"
#include "smbd/smb2/extended_attributes.h"
#include "smbd/smb2/ioctl.h"
#include "smbd/smb2/persistence.h"
#include "smbd/smb2/quota.h"
#include "smbd/smb2/wire.h"

namespace Atoll::smb2 {
namespace {

constexpr int max_id_attempts = 8;  // for a persistent id that no other process has

// MS-SMB2 3.3.5.9: the checks of the request itself, before the object store sees it.
NtStatus check_request(const smb::CreateRequest& create) {
    if (create.impersonation > smb::ImpersonationLevel::delegate) return NtStatus::BAD_IMPERSONATION_LEVEL;
    if (create.name.size() >= 2 && load_le<uint16_t>(create.name.data()) == u'\\') return NtStatus::INVALID_PARAMETER;
    if (create.name.size() / 2 > limits::max_path_units) return NtStatus::OBJECT_NAME_INVALID;
    return NtStatus::SUCCESS;
}

// MS-SMB2 3.3.5.9.1
NtStatus decode_ea_buffer(const smb::CreateContexts& contexts, std::vector<fsa::ExtendedAttribute>& out) {
    if (!contexts.extended_attributes) return NtStatus::SUCCESS;
    if (contexts.extended_attributes->size() > limits::max_ea_list) return NtStatus::EA_TOO_LARGE;
    return decode_extended_attributes(*contexts.extended_attributes, out) ? NtStatus::SUCCESS : NtStatus::INVALID_PARAMETER;
}

fsa::CreateParams create_params(const Request& request, const smb::CreateRequest& create, const smb::CreateContexts& contexts,
                                std::string_view path) {
    fsa::CreateParams params;
    params.path = path;
    params.desired_access = create.desired_access;
    params.share_access = create.share_access;
    params.disposition = static_cast<uint32_t>(create.disposition);
    params.options = create.options;
    if (request.tcon->continuously_available) params.options |= fsa::option::write_through;  // MS-SMB2 3.3.5.9
    params.attributes = create.file_attributes;
    params.allocation_size = contexts.allocation_size;
    if (contexts.timewarp && contexts.timewarp->ticks != 0) params.snapshot = contexts.timewarp->to_timespec().tv_sec;
    params.want_maximal_access = contexts.query_maximal_access;
    params.oplock = static_cast<fsa::OplockLevel>(create.oplock_level);
    return params;
}

// MS-SMB2 3.3.5.9.8, 3.3.5.9.11: null if the request has none that this connection may have.
std::optional<fsa::LeaseRequest> lease_request(const Request& request, const smb::CreateContexts& contexts) {
    const ChannelState& channel = request.connection().channel();
    if (!contexts.lease || (channel.server_capabilities & smb::global_cap::leasing) == 0) return std::nullopt;
    const smb::LeaseContext& asked = *contexts.lease;
    if (asked.version > 1 && !request.connection().is_smb3()) return std::nullopt;
    fsa::LeaseRequest out{channel.client_guid, asked.key, asked.state, std::nullopt, asked.epoch, asked.version};
    if ((asked.flags & smb::lease_flags::parent_lease_key_set) != 0) out.parent = asked.parent_key;
    out.directories = asked.version > 1 && (channel.server_capabilities & smb::global_cap::directory_leasing) != 0;
    return out;
}

// Opens the file and enters the open into smbXsrv_open_global. On failure nothing of it is left.
NtStatus open_file(Request& request, const smb::CreateContexts& contexts, fsa::CreateParams& params, fsa::CreateResult& result) {
    Client& client = request.connection().client();
    if (const NtStatus status = close_earlier_instances(request, contexts, params.path); status != NtStatus::SUCCESS) return status;
    for (int attempt = 0; attempt < max_id_attempts; attempt++) {
        params.open_id = request.open->persistent_id;
        auto created = client.file_system().create(*request.tcon->share, params, &request.caching_wait);
        if (!created.ok()) return created.error();
        request.open->file = created->open;
        created->open->context = request.open.get();
        note_app_instance(request, contexts);
        prepare_durability(request, contexts, params, *created);
        const auto inserted = client.tables().insert_open(*request.open);
        if (inserted.ok() && *inserted) {
            if (request.open->durable) settle_durability(request);
            result = *created;
            return NtStatus::SUCCESS;
        }
        request.open->file = nullptr;
        request.open->durable.reset();
        (void)client.file_system().close(*created->open).ok();  // the failure to report is the insert's
        if (!inserted.ok()) return NtStatus::INSUFFICIENT_RESOURCES;
        client.opens().renew_persistent_id(*request.open);
    }
    return NtStatus::INSUFFICIENT_RESOURCES;
}

// MS-SMB2 2.2.14.2.10, 2.2.14.2.11
smb::LeaseContext lease_response(const smb::LeaseKey& key, const fsa::LeaseGrant& granted) {
    smb::LeaseContext out;
    out.version = granted.version;  // the lease's, whatever the request's
    out.key = key;
    out.state = granted.state;
    if (granted.breaking) out.flags |= smb::lease_flags::break_in_progress;
    if (granted.version == 1) return out;
    out.epoch = granted.epoch;
    if (granted.parent) {
        out.flags |= smb::lease_flags::parent_lease_key_set;
        out.parent_key = *granted.parent;
    }
    return out;
}

void write_response(Request& request, const smb::CreateContexts& asked, const fsa::CreateResult& result) {
    smb::CreateResponse response;
    response.action = static_cast<smb::CreateAction>(result.action);
    response.info = times_and_sizes(result.info);
    response.file_id = {request.open->persistent_id, request.open->volatile_id};
    response.oplock_level = static_cast<smb::OplockLevel>(result.oplock);
    smb::CreateResponseContexts contexts;
    if (asked.query_maximal_access) {
        const bool unchanged = asked.maximal_access_timestamp && *asked.maximal_access_timestamp == result.info.basic.change;
        contexts.maximal_access = smb::MaximalAccess{unchanged ? NtStatus::NONE_MAPPED : NtStatus::SUCCESS,
                                                     unchanged ? 0 : result.maximal_access & request.tcon->maximal_access};
    }
    if (asked.query_on_disk_id) contexts.on_disk_id = smb::OnDiskId{result.info.id.index_number, result.info.id.volume_serial};
    if (result.oplock == fsa::OplockLevel::lease) contexts.lease = lease_response(asked.lease->key, result.lease);
    add_durable_response(request, asked, contexts);
    response.encode(request.out(), contexts);
}

// MS-SMB2 3.3.5.9.10: IsReplayEligible.
void note_for_replay(Request& request, const smb::CreateContexts& contexts, const fsa::CreateResult& result) {
    constexpr uint32_t data =
        fsa::access::read_data | fsa::access::execute | fsa::access::write_data | fsa::access::append_data | fsa::access::delete_;
    if (!contexts.durable_request_v2) return;
    xsrv::Open& open = *request.open;
    const bool has_data = !result.open->is_directory() && (result.open->granted_access() & data) != 0;
    if (!has_data && !is_persistent(request)) return;
    open.create_guid = contexts.durable_request_v2->create_guid;
    if (result.oplock == fsa::OplockLevel::lease) open.lease_key = contexts.lease->key;
    open.action = result.action;
    if (open.durable) open.durable->create_action = static_cast<uint32_t>(result.action);
    open.replay_eligible = true;
    request.connection().client().create_replays().opened(open);
}

// What the create gave that comes again. The file may have changed since.
NtStatus answer_replay(Request& request, smb::OplockLevel asked, const smb::CreateContexts& contexts) {
    fsa::CreateResult result;
    const xsrv::Open& open = *request.open;
    request.connection().client().file_system().describe(*open.file, result);
    result.action = open.action;
    // Who asks for less than the open has is told no more, nor that it is durable.
    smb::CreateContexts told = contexts;
    if (result.oplock != fsa::OplockLevel::lease) {
        result.oplock = std::min(result.oplock, static_cast<fsa::OplockLevel>(asked));
        if (result.oplock != fsa::OplockLevel::batch && !is_persistent(request)) told.durable_request_v2.reset();
    }
    write_response(request, told, result);
    return NtStatus::SUCCESS;
}

NtStatus new_open(Request& request) {
    request.open = request.connection().client().opens().add();
    if (!request.open) return NtStatus::TOO_MANY_OPENED_FILES;
    request.open->session = request.session;
    request.open->tcon = request.tcon;
    request.open->channel_sequence = request.connection().is_smb3() ? request.header.channel_sequence() : uint16_t{0};
    return NtStatus::SUCCESS;
}

void drop_open(Request& request) {
    request.connection().client().opens().remove(*request.open);
    request.open = nullptr;
}

// MS-SMB2 3.3.5.9.7, 3.3.5.9.12: the open itself tells all of what is opened again, and the request little.
// `replayed`: the open that a CREATE which comes again is about; it has been looked at.
NtStatus handle_reconnect(Request& request, const smb::CreateRequest& create, const smb::CreateContexts& contexts,
                          const xsrv::open_global* replayed = nullptr) {
    std::string& path = request.connection().client().path_scratch();
    if (!utf16le_to_utf8(create.name, path)) return NtStatus::OBJECT_NAME_INVALID;
    if (const NtStatus status = act_as_user(request); status != NtStatus::SUCCESS) return status;
    if (const NtStatus status = new_open(request); status != NtStatus::SUCCESS) return status;
    fsa::CreateParams params;
    params.path = path;
    const auto lease = lease_request(request, contexts);
    params.lease = lease ? &*lease : nullptr;
    fsa::CreateResult result;
    if (const NtStatus status = reconnect_open(request, contexts, params, replayed, result); status != NtStatus::SUCCESS) {
        drop_open(request);
        return status == NtStatus::PENDING ? request.caching_wait.start(handle_create) : status;
    }
    if (replayed != nullptr) result.action = static_cast<fsa::CreateAction>(replayed->durable->create_action);
    request.tcon->open_count++;
    write_response(request, contexts, result);
    return commit_reconnect(request);
}

// What the file system made of it the first time, when it comes again to a server that knows no more of it than that it was begun.
void finish_begun(const std::optional<NtTime>& begun, fsa::CreateResult& result) {
    constexpr uint64_t clock_tick = 200'000;  // 100 ns: file systems' times lag behind
    if (begun && result.action == fsa::CreateAction::opened && result.info.basic.creation.ticks + clock_tick >= begun->ticks)
        result.action = fsa::CreateAction::created;
}

// It is not what was asked for.
void close_again(Request& request) {
    Client& client = request.connection().client();
    fsa::Open* const file = std::exchange(request.open->file, nullptr);
    request.open->durable.reset();
    if (const auto closed = client.file_system().close(*file); !closed) log_warning("closing a file: {}", to_string(closed.error()));
    client.tables().remove_open(*request.open);
}

// Opens what the request names; PENDING: it does so again later. `begun`: when it did so before.
NtStatus execute(Request& request, const smb::CreateContexts& contexts, fsa::CreateParams& params, const std::optional<NtTime>& begun,
                 fsa::CreateResult& result) {
    NtStatus status = open_file(request, contexts, params, result);
    const bool made = begun && params.disposition == static_cast<uint32_t>(fsa::Disposition::create);
    if (status == NtStatus::OBJECT_NAME_COLLISION && made) {
        params.disposition = static_cast<uint32_t>(fsa::Disposition::open);
        status = open_file(request, contexts, params, result);
        if (status == NtStatus::SUCCESS) finish_begun(begun, result);
        if (status != NtStatus::SUCCESS || result.action == fsa::CreateAction::created) return status;
        close_again(request);
        return NtStatus::OBJECT_NAME_COLLISION;
    }
    if (status == NtStatus::SUCCESS) finish_begun(begun, result);
    return status == NtStatus::FILE_NOT_AVAILABLE ? why_not_available(request, contexts) : status;
}

}  // namespace

NtStatus handle_create(Request& request) {
    const auto create = smb::CreateRequest::decode(request.message);
    if (!create.ok()) return create.error();
    auto contexts = smb::CreateContexts::decode(create->contexts);
    if (!contexts.ok()) return contexts.error();
    if (const NtStatus status = check_durable_contexts(request, *contexts); status != NtStatus::SUCCESS) return status;
    if (!request.tcon->is_ipc && (contexts->durable_reconnect || contexts->durable_reconnect_v2))
        return handle_reconnect(request, *create, *contexts);
    if (const NtStatus status = check_request(*create); status != NtStatus::SUCCESS) return status;
    if (request.tcon->is_ipc) return create_pipe(request, *create, *contexts);

    Client& client = request.connection().client();
    std::string& path = client.path_scratch();
    if (!utf16le_to_utf8(create->name, path)) return NtStatus::OBJECT_NAME_INVALID;
    if (const NtStatus status = act_as_user(request); status != NtStatus::SUCCESS) return status;

    std::vector<fsa::ExtendedAttribute> extended_attributes;
    if (const NtStatus status = decode_ea_buffer(*contexts, extended_attributes); status != NtStatus::SUCCESS) return status;
    security::SecurityDescriptor descriptor;  // MS-SMB2 3.3.5.9.2
    if (contexts->security_descriptor && !security::decode(*contexts->security_descriptor, descriptor).ok())
        return NtStatus::INVALID_PARAMETER;

    if (is_quota_index(path)) return create_quota_index(request, *create);

    if (const NtStatus status = find_replayed(request, *contexts); status != NtStatus::SUCCESS) return status;
    if (request.open) return answer_replay(request, create->oplock_level, *contexts);
    std::optional<xsrv::open_global> persistent;
    if (const NtStatus status = find_persistent(request, *create, *contexts, persistent); status != NtStatus::SUCCESS) return status;
    if (persistent) return handle_reconnect(request, *create, *contexts, &*persistent);
    find_begun(request, *contexts, path);
    if (const NtStatus status = commit_intent(request, *create, *contexts, path); status != NtStatus::SUCCESS) return status;
    if (const NtStatus status = new_open(request); status != NtStatus::SUCCESS) return status;
    fsa::CreateParams params = create_params(request, *create, *contexts, path);
    const auto lease = lease_request(request, *contexts);
    params.lease = lease ? &*lease : nullptr;
    if (contexts->security_descriptor) params.security_descriptor = &descriptor;
    params.extended_attributes = extended_attributes;
    fsa::CreateResult result;
    fsa::StoppedAt stopped_at;
    params.stopped_at = &stopped_at;
    if (const NtStatus status = execute(request, *contexts, params, request.begun, result); status != NtStatus::SUCCESS) {
        drop_open(request);
        if (status == NtStatus::STOPPED_ON_SYMLINK) return answer_stopped_on_symlink(request, path, stopped_at);
        if (status != NtStatus::PENDING) drop_intent(request, *contexts);
        if (status != NtStatus::PENDING) return status;
        if (contexts->durable_request_v2) client.create_replays().waits(contexts->durable_request_v2->create_guid, request);
        return request.caching_wait.start(handle_create);
    }
    request.tcon->open_count++;
    note_for_replay(request, *contexts, result);
    write_response(request, *contexts, result);
    return commit_create(request, *contexts, result);
}

}  // namespace Atoll::smb2
