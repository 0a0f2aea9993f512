// The control codes that IOCTL passes to files, in families: one file each.
#pragma once

#include <string_view>

#include "base/bytes.h"
#include "base/nt_status.h"

namespace Atoll::smb {
struct IoctlRequest;
}

namespace Atoll::fsa {
struct StoppedAt;
}

namespace Atoll::smb2 {

struct Request;

// The answer to a control code, with this output, which fits MaxOutputResponse; `status` is returned. The body is sent with an error, too.
NtStatus answer_ioctl(Request& request, const smb::IoctlRequest& ioctl, Bytes output, NtStatus status = NtStatus::SUCCESS);

// ioctl_copy.cpp
NtStatus request_resume_key(Request& request, const smb::IoctlRequest& ioctl);  // MS-SMB2 3.3.5.15.5
NtStatus copy_chunks(Request& request, const smb::IoctlRequest& ioctl);         // 3.3.5.15.6
NtStatus duplicate_extents(Request& request, const smb::IoctlRequest& ioctl);   // MS-FSA 2.1.5.10.4, .5

// ioctl_data.cpp
NtStatus set_sparse(Request& request, const smb::IoctlRequest& ioctl);              // MS-FSA 2.1.5.10.38
NtStatus query_allocated_ranges(Request& request, const smb::IoctlRequest& ioctl);  // 2.1.5.10.22
NtStatus set_zero_data(Request& request, const smb::IoctlRequest& ioctl);           // 2.1.5.10.39
NtStatus file_level_trim(Request& request, const smb::IoctlRequest& ioctl);         // 2.1.5.10.6
NtStatus query_file_regions(Request& request, const smb::IoctlRequest& ioctl);      // 2.1.5.10.24

// ioctl_reparse.cpp
NtStatus get_reparse_point(Request& request, const smb::IoctlRequest& ioctl);     // MS-FSA 2.1.5.10.14
NtStatus set_reparse_point(Request& request, const smb::IoctlRequest& ioctl);     // MS-SMB2 3.3.5.15.13, MS-FSA 2.1.5.10.37
NtStatus delete_reparse_point(Request& request, const smb::IoctlRequest& ioctl);  // 2.1.5.10.3
// The ERROR body of a create that stopped at a symbolic link, into request.out() (MS-SMB2 2.2.2.2.1). Gives STOPPED_ON_SYMLINK.
NtStatus answer_stopped_on_symlink(Request& request, std::string_view path, const fsa::StoppedAt& at);

// ioctl_object_id.cpp
NtStatus get_object_id(Request& request, const smb::IoctlRequest& ioctl);     // MS-FSA 2.1.5.10.1, .13
NtStatus set_object_id(Request& request, const smb::IoctlRequest& ioctl);     // 2.1.5.10.35, .36
NtStatus delete_object_id(Request& request, const smb::IoctlRequest& ioctl);  // 2.1.5.10.2

// ioctl_network_interfaces.cpp
NtStatus query_network_interfaces(Request& request, const smb::IoctlRequest& ioctl);

// ioctl_attributes.cpp
NtStatus get_compression(Request& request, const smb::IoctlRequest& ioctl);  // MS-FSA 2.1.5.10.9
NtStatus set_compression(Request& request, const smb::IoctlRequest& ioctl);  // 2.1.5.10.30

// ioctl_resiliency.cpp
NtStatus request_resiliency(Request& request, const smb::IoctlRequest& ioctl);  // MS-SMB2 3.3.5.15.9

// ioctl_snapshots.cpp
NtStatus enumerate_snapshots(Request& request, const smb::IoctlRequest& ioctl);  // MS-SMB2 3.3.5.15.1

}  // namespace Atoll::smb2
