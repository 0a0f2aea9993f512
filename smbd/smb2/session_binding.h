// A further channel of a session (MS-SMB2 3.3.5.5, SMB2_SESSION_FLAG_BINDING).
#pragma once

#include "libcli/smb/header.h"
#include "smbd/smb2/request.h"

namespace Atoll::smb2 {

struct ChannelState;
struct Logon;
struct LogonGrant;

// Whether a SESSION_SETUP request that binds is signed as by someone who knows the session: before anything but its header is read.
// `session` is the one that it names; null: there is none.
NtStatus verify_binding(const xsrv::Session* session, const smb::Header& header, Bytes message);

// Whether session and channel go together.
NtStatus check_binding(const xsrv::Session& session, const ChannelState& channel);

// The user has proved himself on the new channel: it becomes one of the session's.
NtStatus finish_binding(Request& request, const Logon& logon, const LogonGrant& grant);

}  // namespace Atoll::smb2
