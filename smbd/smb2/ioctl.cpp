// IOCTL (MS-SMB2 3.3.5.15).
#include "smbd/smb2/ioctl.h"

#include "libcli/smb/ioctl.h"
#include "smbd/smb2/admission.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/dispatch.h"

namespace Atoll::smb2 {
namespace {

// FSCTL_VALIDATE_NEGOTIATE_INFO (MS-SMB2 3.3.5.15.12): what the client believes to have negotiated is what was negotiated, or somebody
// in between changed it and the connection ends.
NtStatus validate_negotiate_info(Request& request, const smb::IoctlRequest& ioctl) {
    Connection& connection = request.connection();
    const ChannelState& channel = connection.channel();
    const auto info = smb::ValidateNegotiateInfoRequest::decode(ioctl.input);
    const auto disconnect = [&] {
        connection.close("FSCTL_VALIDATE_NEGOTIATE_INFO does not match the NEGOTIATE");
        return NtStatus::ACCESS_DENIED;
    };
    if (!info.ok() || channel.dialect == 0x0311) return disconnect();
    if (ioctl.max_output_response < smb::ValidateNegotiateInfoResponse::size) return disconnect();
    bool same = info->guid == channel.client_guid && info->security_mode == channel.client_security_mode &&
                info->capabilities == channel.client_capabilities && info->dialects.size() == channel.client_dialects_count;
    for (size_t i = 0; same && i < info->dialects.size(); i++) same = info->dialects[i] == channel.client_dialects[i];
    if (!same) return disconnect();

    smb::ValidateNegotiateInfoResponse response;
    response.capabilities = channel.server_capabilities;
    response.guid = channel.server_guid;
    response.security_mode = channel.server_security_mode;
    response.dialect = static_cast<smb::Dialect>(channel.dialect);
    smb::IoctlResponse::begin(request.out(), ioctl.ctl_code, smb::FileId::related());
    response.encode(request.out());
    smb::IoctlResponse::finish(request.out());
    return NtStatus::SUCCESS;
}

// Control codes that name no open (MS-SMB2 2.2.31: FileId is all ones).
bool names_no_file(smb::ControlCode code) {
    switch (code) {
        case smb::ControlCode::dfs_get_referrals:
        case smb::ControlCode::dfs_get_referrals_ex:
        case smb::ControlCode::validate_negotiate_info:
        case smb::ControlCode::query_network_interface_info:
        case smb::ControlCode::pipe_wait: return true;
        default: return false;
    }
}

NtStatus file_ioctl(Request& request, const smb::IoctlRequest& ioctl) {
    using Code = smb::ControlCode;
    switch (ioctl.ctl_code) {
        case Code::srv_request_resume_key: return request_resume_key(request, ioctl);
        case Code::srv_copychunk:
        case Code::srv_copychunk_write: return copy_chunks(request, ioctl);
        case Code::duplicate_extents_to_file:
        case Code::duplicate_extents_to_file_ex: return duplicate_extents(request, ioctl);
        case Code::set_sparse: return set_sparse(request, ioctl);
        case Code::query_allocated_ranges: return query_allocated_ranges(request, ioctl);
        case Code::set_zero_data: return set_zero_data(request, ioctl);
        case Code::file_level_trim: return file_level_trim(request, ioctl);
        case Code::get_compression: return get_compression(request, ioctl);
        case Code::set_compression: return set_compression(request, ioctl);
        case Code::query_file_regions: return query_file_regions(request, ioctl);
        case Code::create_or_get_object_id:
        case Code::get_object_id: return get_object_id(request, ioctl);
        case Code::set_object_id:
        case Code::set_object_id_extended: return set_object_id(request, ioctl);
        case Code::delete_object_id: return delete_object_id(request, ioctl);
        case Code::get_reparse_point: return get_reparse_point(request, ioctl);
        case Code::set_reparse_point: return set_reparse_point(request, ioctl);
        case Code::delete_reparse_point: return delete_reparse_point(request, ioctl);
        case Code::srv_enumerate_snapshots: return enumerate_snapshots(request, ioctl);
        case Code::lmr_request_resiliency: return request_resiliency(request, ioctl);
        case Code::pipe_peek:
        case Code::pipe_transceive: return NtStatus::NOT_SUPPORTED;  // MS-SMB2 3.3.5.15.3: no pipe
        default: return NtStatus::INVALID_DEVICE_REQUEST;
    }
}

}  // namespace

NtStatus answer_ioctl(Request& request, const smb::IoctlRequest& ioctl, Bytes output, NtStatus status) {
    smb::IoctlResponse::begin(request.out(), ioctl.ctl_code, {request.open->persistent_id, request.open->volatile_id});
    request.out().bytes(output);
    smb::IoctlResponse::finish(request.out());
    request.keep_body = true;
    return status;
}

NtStatus handle_ioctl(Request& request) {
    const auto ioctl = smb::IoctlRequest::decode(request.message);
    if (!ioctl.ok()) return ioctl.error();
    if (ioctl->flags != smb::ioctl_flags::is_fsctl) return NtStatus::NOT_SUPPORTED;
    // MS-SMB2 3.3.5.15
    if (names_no_file(ioctl->ctl_code) && ioctl->file_id != smb::FileId::related()) return NtStatus::INVALID_PARAMETER;
    const uint64_t sent = ioctl->input.size();
    const uint64_t wanted = uint64_t{ioctl->max_input_response} + ioctl->max_output_response;
    if (const NtStatus status = check_credit_charge(request, std::max(sent, wanted)); status != NtStatus::SUCCESS) return status;
    const uint32_t limit = request.connection().channel().max_transact;
    if (ioctl->input.size() > limit || ioctl->max_input_response > limit || ioctl->max_output_response > limit)
        return NtStatus::INVALID_PARAMETER;
    if (!names_no_file(ioctl->ctl_code)) {
        if (const NtStatus status = request.look_up_open(ioctl->file_id, Request::OpenKind::file_or_pipe); status != NtStatus::SUCCESS)
            return status;
    }
    if (!names_no_file(ioctl->ctl_code) && request.open->pipe) return pipe_ioctl(request, *ioctl);
    if (!names_no_file(ioctl->ctl_code)) return file_ioctl(request, *ioctl);
    switch (ioctl->ctl_code) {
        case smb::ControlCode::validate_negotiate_info: return validate_negotiate_info(request, *ioctl);
        case smb::ControlCode::dfs_get_referrals:
        case smb::ControlCode::dfs_get_referrals_ex:
            return NtStatus::FS_DRIVER_REQUIRED;  // MS-SMB2 3.3.5.15.2: the server is no DFS server
        case smb::ControlCode::query_network_interface_info: return query_network_interfaces(request, *ioctl);
        case smb::ControlCode::pipe_wait: return wait_for_pipe(request, *ioctl);
        default: return NtStatus::INVALID_DEVICE_REQUEST;
    }
}

}  // namespace Atoll::smb2
