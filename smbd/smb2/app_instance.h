// AppInstanceId and AppInstanceVersion (MS-SMB2 3.3.5.9.13): an application that goes on elsewhere, as another client, names itself, and
// what it has open from before is closed. Files and directories; a named stream's open belongs to no application.
#pragma once

#include <string_view>

#include "libcli/smb/create_contexts.h"
#include "smbd/smb2/request.h"

namespace Atoll::smb2 {

// Closes what other clients have open of the file under this AppInstanceId; request.open is the new open, and acts as its user. PENDING:
// another process has been asked to, request.caching_wait waits, and the create is to begin anew. One that does not answer in time stands.
// FILE_FORCED_CLOSED: the request's version is not newer. Reads the whole table of opens, of requests with an AppInstanceId.
NtStatus close_earlier_instances(Request& request, const smb::CreateContexts& contexts, std::string_view path);

// Sets request.open->instance, for its record.
void note_app_instance(Request& request, const smb::CreateContexts& contexts);

}  // namespace Atoll::smb2
