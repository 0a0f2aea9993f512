// Quotas: the quota index that a client opens by its name, and the queries and settings of it (MS-SMB2 3.3.5.20.4, 3.3.5.21.4).
#pragma once

#include <string_view>

#include "base/bytes.h"
#include "base/nt_status.h"

namespace Atoll::smb {
struct CreateRequest;
struct QueryInfoRequest;
struct SetInfoRequest;
}  // namespace Atoll::smb

namespace Atoll::smb2 {

struct Request;

// "$Extend\$Quota:$Q:$INDEX_ALLOCATION" and its $O, in any case (MS-FSA 2.1.5.1). There is no such file: the index is not fsa's.
bool is_quota_index(std::string_view path);
// Opens it: for administrators (root, `admin users`) alone. ACCESS_DENIED for others.
NtStatus create_quota_index(Request& request, const smb::CreateRequest& create);

// What a query and a SET_INFO of quotas give of any open: INVALID_PARAMETER if it is not one of the quota index, NOT_SUPPORTED where the
// volume has none.
NtStatus query_quota(Request& request, const smb::QueryInfoRequest& info);  // appends to request.out()
NtStatus set_quota(Request& request, Bytes buffer);

NtStatus query_quota_control(Request& request, size_t limit);  // FileFsControlInformation, of any open; appends to request.out()
NtStatus set_quota_control(Request& request, Bytes buffer);    // for an open of the quota index with FILE_WRITE_DATA

// QUERY_INFO and SET_INFO of an open of the quota index.
NtStatus query_quota_index(Request& request, const smb::QueryInfoRequest& info);
NtStatus set_quota_index(Request& request, const smb::SetInfoRequest& info);

}  // namespace Atoll::smb2
