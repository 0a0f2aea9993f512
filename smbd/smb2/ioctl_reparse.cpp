// Reparse points: FSCTL_GET_REPARSE_POINT, FSCTL_SET_REPARSE_POINT, FSCTL_DELETE_REPARSE_POINT, and what a client is told of a symbolic
// link that is in its way.
#include "base/utf.h"
#include "libcli/smb/error.h"
#include "libcli/smb/ioctl.h"
#include "libcli/smb/reparse.h"
#include "smbd/smb2/acting.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/ioctl.h"
#include "smbd/smb2/request.h"

namespace Atoll::smb2 {

using smb::IoctlRequest;

// What does not fit is left out (MS-SMB2 3.3.4.4, note 243).
NtStatus get_reparse_point(Request& request, const IoctlRequest& ioctl) {
    if (const NtStatus status = act_as_user(request); status != NtStatus::SUCCESS) return status;
    Buffer buffer;
    const auto got = request.open->file->get_reparse_point(buffer);
    if (!got.ok()) return got.error();
    if (ioctl.max_output_response < std::min(buffer.size(), smb::ReparseData::fixed_size)) return NtStatus::BUFFER_TOO_SMALL;
    if (ioctl.max_output_response >= buffer.size()) return answer_ioctl(request, ioctl, buffer);
    return answer_ioctl(request, ioctl, buffer.bytes().first(ioctl.max_output_response), NtStatus::BUFFER_OVERFLOW);
}

NtStatus set_reparse_point(Request& request, const IoctlRequest& ioctl) {
    if (ioctl.input.size() < smb::ReparseData::fixed_size) return NtStatus::IO_REPARSE_DATA_INVALID;
    const uint32_t tag = load_le<uint32_t>(ioctl.input.data());
    if (tag == smb::reparse_tag::symlink || tag == smb::reparse_tag::mount_point) {
        // Whoever meets it must be told where it leads.
        const auto data = smb::ReparseData::decode(ioctl.input);
        if (!data.ok()) return data.error();
        const auto link = smb::SymlinkReparse::decode(data->data, tag);
        if (!link.ok()) return link.error();
        if (link->substitute_name.empty()) return NtStatus::IO_REPARSE_DATA_INVALID;
    }
    if (const NtStatus status = act_as_user(request); status != NtStatus::SUCCESS) return status;
    const auto set = request.open->file->set_reparse_point(ioctl.input);
    return set.ok() ? answer_ioctl(request, ioctl, {}) : set.error();
}

NtStatus delete_reparse_point(Request& request, const IoctlRequest& ioctl) {
    if (const NtStatus status = act_as_user(request); status != NtStatus::SUCCESS) return status;
    const auto deleted = request.open->file->delete_reparse_point(ioctl.input);
    return deleted.ok() ? answer_ioctl(request, ioctl, {}) : deleted.error();
}

NtStatus answer_stopped_on_symlink(Request& request, std::string_view path, const fsa::StoppedAt& at) {
    const auto reparse = smb::ReparseData::decode(at.reparse);
    if (!reparse.ok()) return NtStatus::IO_REPARSE_DATA_INVALID;
    const auto link = smb::SymlinkReparse::decode(reparse->data, reparse->tag);
    if (!link.ok()) return link.error();
    smb::SymlinkError error;
    const auto rest = utf16le_size(path.substr(path.size() - std::min(path.size(), at.rest)));
    error.unparsed_path_length = static_cast<uint16_t>(rest.value_or(0));
    error.flags = link->flags;
    error.substitute_name = link->substitute_name;
    error.print_name = link->print_name;
    Buffer data;
    ByteWriter out(data);
    error.encode(out);
    smb::ErrorResponse::encode(request.out(), static_cast<smb::Dialect>(request.connection().channel().dialect), data);
    request.keep_body = true;
    return NtStatus::STOPPED_ON_SYMLINK;
}

}  // namespace Atoll::smb2
