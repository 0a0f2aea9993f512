// SET_INFO (MS-SMB2 3.3.5.21).
#include "base/utf.h"
#include "libcli/security/security_descriptor.h"
#include "libcli/smb/fscc_file.h"
#include "smbd/smb2/acting.h"
#include "smbd/smb2/admission.h"
#include "smbd/smb2/client.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/dispatch.h"
#include "smbd/smb2/info_classes.h"
#include "smbd/smb2/persistence.h"
#include "smbd/smb2/quota.h"

namespace Atoll::smb2 {
namespace {

using Class = smb::FileInformationClass;

// The access that setting a class needs (MS-SMB2 3.3.5.21.1, MS-FSA 2.1.5.15); 0: none.
uint32_t needed_access(Class c) {
    switch (c) {
        case Class::basic: return fsa::access::write_attributes;
        case Class::rename:
        case Class::rename_ex:
        case Class::disposition:
        case Class::disposition_ex: return fsa::access::delete_;
        case Class::allocation:
        case Class::end_of_file:
        case Class::valid_data_length: return fsa::access::write_data;
        default: return 0;
    }
}

// What has to be known of a file before persistent opens of it can be had back.
bool outlives_server(Class c) {
    return c == Class::rename || c == Class::rename_ex || c == Class::disposition || c == Class::disposition_ex;
}

NtStatus status_of(const Result<void, NtStatus>& result) { return result.ok() ? NtStatus::SUCCESS : result.error(); }

NtStatus set_basic(fsa::Open& file, Bytes buffer) {
    const auto info = smb::FileBasicInformation::decode(buffer);
    if (!info.ok()) return info.error();
    return status_of(
        file.set_basic({info->creation_time, info->last_access_time, info->last_write_time, info->change_time, info->file_attributes}));
}

NtStatus set_disposition(Request& request, Bytes buffer, bool ex) {
    fsa::Open& file = *request.open->file;
    fsa::Wait* wait = &request.caching_wait;
    if (!ex) {
        const auto info = smb::FileDispositionInformation::decode(buffer);
        return info.ok() ? status_of(file.set_disposition(info->delete_pending, wait)) : info.error();
    }
    const auto info = smb::FileDispositionInformationEx::decode(buffer);
    if (!info.ok()) return info.error();
    // Deletion in the manner of POSIX and its companions are not offered (MS-FSCC 2.4.12).
    if ((info->value & ~smb::disposition_flags::delete_file) != 0) return NtStatus::NOT_SUPPORTED;
    return status_of(file.set_disposition((info->value & smb::disposition_flags::delete_file) != 0, wait));
}

NtStatus set_name(Request& request, Bytes buffer, Class info_class) {
    const bool ex = info_class == Class::rename_ex;
    const auto info = smb::FileRenameInformation::decode(buffer, ex);
    if (!info.ok()) return info.error();
    if (info->root_directory != 0) return NtStatus::INVALID_PARAMETER;
    if (ex && (info->flags & ~smb::rename_flags::replace_if_exists) != 0) return NtStatus::NOT_SUPPORTED;
    std::string& path = request.connection().client().path_scratch();
    if (!utf16le_to_utf8(info->name, path) || path.empty()) return NtStatus::OBJECT_NAME_INVALID;
    const bool replace = (info->flags & smb::rename_flags::replace_if_exists) != 0;
    fsa::Open& file = *request.open->file;
    fsa::Wait* wait = &request.caching_wait;
    return status_of(info_class == Class::link ? file.link(path, replace, wait) : file.rename(path, replace, wait));
}

template <class T>
NtStatus set_number(fsa::Open& file, Bytes buffer, Result<void, NtStatus> (fsa::Open::*set)(decltype(T::value))) {
    const auto info = T::decode(buffer);
    return info.ok() ? status_of((file.*set)(info->value)) : info.error();
}

// MS-SMB2 3.3.5.21.3
NtStatus set_security(Request& request, const smb::SetInfoRequest& info) {
    security::SecurityDescriptor& descriptor = request.connection().client().descriptor_scratch();
    if (!security::decode(info.buffer, descriptor).ok()) return NtStatus::INVALID_SECURITY_DESCR;
    return status_of(request.open->file->set_security(info.additional_information, descriptor));
}

}  // namespace

NtStatus set_file_info(Request& request, Class info_class, Bytes buffer) {
    fsa::Open& file = *request.open->file;
    const uint32_t needed = needed_access(info_class);
    if (needed != 0 && (file.granted_access() & needed) == 0) return NtStatus::ACCESS_DENIED;
    switch (info_class) {
        case Class::basic: return set_basic(file, buffer);
        case Class::rename:
        case Class::rename_ex:
        case Class::link: return set_name(request, buffer, info_class);
        case Class::disposition: return set_disposition(request, buffer, false);
        case Class::disposition_ex: return set_disposition(request, buffer, true);
        case Class::position: return set_number<smb::FilePositionInformation>(file, buffer, &fsa::Open::set_position);
        case Class::mode: return set_number<smb::FileModeInformation>(file, buffer, &fsa::Open::set_mode);
        case Class::allocation: return set_number<smb::FileAllocationInformation>(file, buffer, &fsa::Open::set_allocation_size);
        case Class::end_of_file: return set_number<smb::FileEndOfFileInformation>(file, buffer, &fsa::Open::set_end_of_file);
        case Class::valid_data_length:
            return set_number<smb::FileValidDataLengthInformation>(file, buffer, &fsa::Open::set_valid_data_length);
        case Class::full_ea: return set_extended_attributes(file, buffer);
        case Class::pipe:
        case Class::short_name:
        case Class::quota:
        case Class::object_id:
        case Class::reparse_point: return NtStatus::NOT_SUPPORTED;
        default: return NtStatus::INVALID_INFO_CLASS;
    }
}

NtStatus handle_set_info(Request& request) {
    const auto info = smb::SetInfoRequest::decode(request.message);
    if (!info.ok()) return info.error();
    if (const NtStatus status = check_credit_charge(request, info->buffer.size()); status != NtStatus::SUCCESS) return status;
    if (info->buffer.size() > request.connection().channel().max_transact || info->buffer.empty()) return NtStatus::INVALID_PARAMETER;
    if (const NtStatus status = request.look_up_open(info->file_id, Request::OpenKind::any); status != NtStatus::SUCCESS) return status;
    if (request.open->pipe) return set_pipe_info(request, *info);
    if (const NtStatus status = act_as_user(request); status != NtStatus::SUCCESS) return status;

    if (request.open->quota_index) {
        const NtStatus status = set_quota_index(request, *info);
        if (status == NtStatus::SUCCESS) smb::SetInfoResponse{}.encode(request.out());
        return status;
    }
    if (info->info_type == smb::InfoType::security) {
        const NtStatus status = set_security(request, *info);
        if (status == NtStatus::SUCCESS) smb::SetInfoResponse{}.encode(request.out());
        return status;
    }
    if (info->info_type != smb::InfoType::file)
        return info->info_type > smb::InfoType::quota ? NtStatus::INVALID_PARAMETER : NtStatus::NOT_SUPPORTED;
    const auto info_class = static_cast<Class>(info->info_class);
    const NtStatus status = set_file_info(request, info_class, info->buffer);
    if (status == NtStatus::PENDING) return request.caching_wait.start(handle_set_info);
    if (status != NtStatus::SUCCESS) return status;
    smb::SetInfoResponse{}.encode(request.out());
    return outlives_server(info_class) ? commit_file(request) : NtStatus::SUCCESS;
}

}  // namespace Atoll::smb2
