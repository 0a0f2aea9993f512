// QUERY_INFO (MS-SMB2 3.3.5.20).
#include "smbd/smb2/acting.h"
#include "smbd/smb2/admission.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/dispatch.h"
#include "smbd/smb2/info_classes.h"

namespace Atoll::smb2 {
namespace {

// Security descriptors are not offered; who may not read one hears of that first (MS-FSA 2.1.5.14).
NtStatus query_security(Request& request, const smb::QueryInfoRequest& info) {
    constexpr uint32_t sacl = 0x8;  // MS-SMB2 2.2.37
    const uint32_t granted = request.open->file->granted_access();
    if ((info.additional_information & ~sacl) != 0 && (granted & fsa::access::read_control) == 0) return NtStatus::ACCESS_DENIED;
    if ((info.additional_information & sacl) != 0 && (granted & fsa::access::system_security) == 0) return NtStatus::ACCESS_DENIED;
    return NtStatus::NOT_SUPPORTED;
}

NtStatus query(Request& request, const smb::QueryInfoRequest& info) {
    switch (info.info_type) {
        case smb::InfoType::file:
            if (static_cast<smb::FileInformationClass>(info.info_class) == smb::FileInformationClass::full_ea)
                return query_extended_attributes(request, info);
            return query_file_info(request, static_cast<smb::FileInformationClass>(info.info_class), info.output_buffer_length);
        case smb::InfoType::filesystem:
            return query_filesystem_info(request, static_cast<smb::FsInformationClass>(info.info_class), info.output_buffer_length);
        case smb::InfoType::security: return query_security(request, info);
        case smb::InfoType::quota: return NtStatus::NOT_SUPPORTED;
    }
    return NtStatus::INVALID_PARAMETER;
}

}  // namespace

NtStatus handle_query_info(Request& request) {
    const auto info = smb::QueryInfoRequest::decode(request.message);
    if (!info.ok()) return info.error();
    const size_t largest = std::max<size_t>(info->input.size(), info->output_buffer_length);
    if (const NtStatus status = check_credit_charge(request, largest); status != NtStatus::SUCCESS) return status;
    if (info->output_buffer_length > request.connection().channel().max_transact) return NtStatus::INVALID_PARAMETER;
    if (const NtStatus status = request.look_up_open(info->file_id, Request::OpenKind::file_or_pipe); status != NtStatus::SUCCESS)
        return status;
    if (const NtStatus status = act_as_user(request); status != NtStatus::SUCCESS) return status;

    smb::OutputBufferResponse::begin(request.out());
    const NtStatus status = request.open->pipe ? query_pipe_info(request, *info) : query(request, *info);
    if (status != NtStatus::SUCCESS && status != NtStatus::BUFFER_OVERFLOW) return status;
    request.keep_body = true;
    smb::OutputBufferResponse::finish(request.out());
    return status;
}

}  // namespace Atoll::smb2
