// Commands and the handlers that serve them: one file each.
#pragma once

#include "smbd/smb2/request.h"

namespace Atoll::smb2 {

// Whether there is such a command; the others here are for those that are.
bool is_command(smb::Command command);
// Whether the command works on a tree connect (MS-SMB2 3.3.5.2.11).
bool needs_tcon(smb::Command command);
// Calls the command's handler.
NtStatus dispatch(Request& request);
// Whether a request that waited may still be served: USER_SESSION_DELETED, NETWORK_NAME_DELETED.
NtStatus still_there(const Request& request);
// What must follow a response once its bytes are final, signature apart.
void after_response(Request& request, Bytes response, NtStatus status);

NtStatus handle_session_setup(Request& request);    // 3.3.5.5
NtStatus handle_logoff(Request& request);           // 3.3.5.6
NtStatus handle_tree_connect(Request& request);     // 3.3.5.7
NtStatus handle_tree_disconnect(Request& request);  // 3.3.5.8
NtStatus handle_create(Request& request);           // 3.3.5.9
NtStatus handle_close(Request& request);            // 3.3.5.10
NtStatus handle_flush(Request& request);            // 3.3.5.11
NtStatus handle_read(Request& request);             // 3.3.5.12
NtStatus handle_write(Request& request);            // 3.3.5.13
NtStatus handle_lock(Request& request);             // 3.3.5.14
NtStatus handle_ioctl(Request& request);            // 3.3.5.15
NtStatus handle_echo(Request& request);             // 3.3.5.17
NtStatus handle_query_directory(Request& request);  // 3.3.5.18
NtStatus handle_change_notify(Request& request);    // 3.3.5.19
NtStatus handle_query_info(Request& request);       // 3.3.5.20
NtStatus handle_set_info(Request& request);         // 3.3.5.21
NtStatus handle_oplock_break(Request& request);     // 3.3.5.22

}  // namespace Atoll::smb2
