// QUERY_INFO (MS-SMB2 3.3.5.20).
#include "libcli/security/security_descriptor.h"
#include "libcli/smb/error.h"
#include "smbd/smb2/acting.h"
#include "smbd/smb2/admission.h"
#include "smbd/smb2/client.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/dispatch.h"
#include "smbd/smb2/info_classes.h"
#include "smbd/smb2/quota.h"

namespace Atoll::smb2 {
namespace {

// MS-SMB2 3.3.5.20.3. Too small a buffer is answered with the size that is needed.
NtStatus query_security(Request& request, const smb::QueryInfoRequest& info) {
    security::SecurityDescriptor& descriptor = request.connection().client().descriptor_scratch();
    if (auto r = request.open->file->query_security(info.additional_information, descriptor); !r.ok()) return r.error();
    const size_t needed = security::encoded_size(descriptor);
    if (needed <= info.output_buffer_length) {
        ByteWriter structure(request.out().buffer());
        security::encode(descriptor, structure);
        return NtStatus::SUCCESS;
    }
    std::array<uint8_t, 4> size;
    store_le<uint32_t>(size.data(), static_cast<uint32_t>(needed));
    request.out().buffer().resize(request.out().buffer().size() - (smb::OutputBufferResponse::payload_offset - smb::header_size));
    smb::ErrorResponse::encode(request.out(), static_cast<smb::Dialect>(request.connection().channel().dialect), size);
    request.keep_body = true;
    return NtStatus::BUFFER_TOO_SMALL;
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
        case smb::InfoType::quota: return query_quota(request, info);
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
    if (const NtStatus status = request.look_up_open(info->file_id, Request::OpenKind::any); status != NtStatus::SUCCESS) return status;
    if (const NtStatus status = act_as_user(request); status != NtStatus::SUCCESS) return status;

    smb::OutputBufferResponse::begin(request.out());
    const NtStatus status = request.open->pipe          ? query_pipe_info(request, *info)
                            : request.open->quota_index ? query_quota_index(request, *info)
                                                        : query(request, *info);
    if (status != NtStatus::SUCCESS && status != NtStatus::BUFFER_OVERFLOW) return status;
    request.keep_body = true;
    smb::OutputBufferResponse::finish(request.out());
    return status;
}

}  // namespace Atoll::smb2
