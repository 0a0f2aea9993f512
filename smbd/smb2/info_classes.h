// QUERY_INFO's and SET_INFO's parts, by info type.
#pragma once

#include "libcli/smb/query.h"
#include "smbd/smb2/request.h"

namespace Atoll::smb2 {

// Each appends the information to request.out(). INFO_LENGTH_MISMATCH: the fixed part does not fit `limit` bytes. BUFFER_OVERFLOW: the
// variable part did not fit; what was appended is at most `limit` bytes and is sent with that status.
NtStatus query_file_info(Request& request, smb::FileInformationClass info_class, size_t limit);      // MS-SMB2 3.3.5.20.1
NtStatus query_extended_attributes(Request& request, const smb::QueryInfoRequest& query);            // the same, FileFullEaInformation
NtStatus query_filesystem_info(Request& request, smb::FsInformationClass info_class, size_t limit);  // MS-SMB2 3.3.5.20.2

NtStatus set_file_info(Request& request, smb::FileInformationClass info_class, Bytes buffer);  // MS-SMB2 3.3.5.21.1
NtStatus set_extended_attributes(fsa::Open& file, Bytes buffer);                               // the same, FileFullEaInformation

}  // namespace Atoll::smb2
