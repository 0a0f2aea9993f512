#include "smbd/smb2/create_replay.h"

#include <algorithm>

#include "smbd/smb2/client.h"
#include "smbd/smb2/connection.h"

namespace Atoll::smb2 {

void CreateReplays::waits(const Guid& create_guid, const Request& request) { waiting_.insert_or_assign(create_guid, &request); }

void CreateReplays::not_waiting(const Request& request) {
    std::erase_if(waiting_, [&](const auto& one) { return one.second == &request; });
}

void CreateReplays::opened(xsrv::Open& open) {
    if (open.create_guid) opens_.insert_or_assign(*open.create_guid, &open);
}

void CreateReplays::forget(const xsrv::Open& open) {
    if (!open.create_guid) return;
    const auto found = opens_.find(*open.create_guid);
    if (found != opens_.end() && found->second == &open) opens_.erase(found);
}

bool CreateReplays::is_waiting(const Guid& create_guid) const { return waiting_.contains(create_guid); }

bool CreateReplays::is_waiting(const Request& request) const {
    return std::ranges::any_of(waiting_, [&](const auto& one) { return one.second == &request; });
}

xsrv::Ref<xsrv::Open> CreateReplays::find(const Guid& create_guid) const {
    const auto found = opens_.find(create_guid);
    const bool eligible = found != opens_.end() && found->second->is_open() && found->second->replay_eligible;
    return eligible ? xsrv::Ref<xsrv::Open>(found->second) : nullptr;
}

NtStatus find_replayed(Request& request, const smb::CreateContexts& contexts) {
    if (!contexts.durable_request_v2) return NtStatus::SUCCESS;
    const Guid& guid = contexts.durable_request_v2->create_guid;
    const CreateReplays& replays = request.connection().client().create_replays();
    if (replays.is_waiting(guid)) return request.header.is_replay() ? NtStatus::FILE_NOT_AVAILABLE : NtStatus::DUPLICATE_OBJECTID;
    xsrv::Ref<xsrv::Open> open = replays.find(guid);
    if (!open) return NtStatus::SUCCESS;
    if (!request.header.is_replay()) return NtStatus::DUPLICATE_OBJECTID;
    if (open->session->token.user_sid != request.session->token.user_sid) return NtStatus::ACCESS_DENIED;
    // The specification names the other key alone; a lease where there is none is no less another open than that.
    const auto asked_key = contexts.lease ? std::optional<Guid>(contexts.lease->key) : std::nullopt;
    if (open->lease_key != asked_key) return NtStatus::ACCESS_DENIED;
    if (!(open->session == request.session) || !(open->tcon == request.tcon)) return NtStatus::DUPLICATE_OBJECTID;
    const bool says_persistent = (contexts.durable_request_v2->flags & smb::durable_flags::persistent) != 0;
    const bool is_persistent = open->durable && open->durable->kind == xsrv::handle_kind::HANDLE_PERSISTENT;
    if (is_persistent && !says_persistent) return NtStatus::INVALID_PARAMETER;
    request.open = std::move(open);
    return NtStatus::SUCCESS;
}

}  // namespace Atoll::smb2
