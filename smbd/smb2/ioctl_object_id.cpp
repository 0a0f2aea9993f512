// Object ids: FSCTL_CREATE_OR_GET_OBJECT_ID, FSCTL_GET_OBJECT_ID, FSCTL_SET_OBJECT_ID, FSCTL_SET_OBJECT_ID_EXTENDED,
// FSCTL_DELETE_OBJECT_ID.
#include <algorithm>

#include "libcli/smb/ioctl.h"
#include "smbd/smb2/acting.h"
#include "smbd/smb2/ioctl.h"
#include "smbd/smb2/request.h"

namespace Atoll::smb2 {

using smb::IoctlRequest;

NtStatus get_object_id(Request& request, const IoctlRequest& ioctl) {
    if (ioctl.max_output_response < fsa::ObjectId().bytes.size()) return NtStatus::INVALID_PARAMETER;
    if (const NtStatus status = act_as_user(request); status != NtStatus::SUCCESS) return status;
    fsa::Open& file = *request.open->file;
    const bool make = ioctl.ctl_code == smb::ControlCode::create_or_get_object_id;
    const auto id = make ? file.create_or_get_object_id() : file.object_id();
    return id.ok() ? answer_ioctl(request, ioctl, id->bytes) : id.error();
}

NtStatus set_object_id(Request& request, const IoctlRequest& ioctl) {
    const bool extended = ioctl.ctl_code == smb::ControlCode::set_object_id_extended;
    fsa::ObjectId value;
    if (ioctl.input.size() != (extended ? fsa::ObjectId::extended_size : value.bytes.size())) return NtStatus::INVALID_PARAMETER;
    if (const NtStatus status = act_as_user(request); status != NtStatus::SUCCESS) return status;
    if (!extended) std::ranges::copy(ioctl.input, value.bytes.begin());
    fsa::Open& file = *request.open->file;
    const auto set = extended ? file.set_object_id_extended(ioctl.input) : file.set_object_id(value);
    return set.ok() ? answer_ioctl(request, ioctl, {}) : set.error();
}

NtStatus delete_object_id(Request& request, const IoctlRequest& ioctl) {
    if (const NtStatus status = act_as_user(request); status != NtStatus::SUCCESS) return status;
    const auto deleted = request.open->file->delete_object_id();
    return deleted.ok() ? answer_ioctl(request, ioctl, {}) : deleted.error();
}

}  // namespace Atoll::smb2
