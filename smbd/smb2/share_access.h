// Who may connect to which share, as whom, with what rights: smb.conf's share parameters (smb.conf(5)).
#pragma once

#include <string_view>

#include "base/nt_status.h"
#include "smbd/smb2/connection.h"
#include "smbd/xsrv/session.h"
#include "smbd/xsrv/tcon.h"

namespace Atoll::smb2 {

// Fills `tcon` for the share of this name. BAD_NETWORK_NAME: there is none, or it is unavailable (the log says why). ACCESS_DENIED: hosts
// allow/deny, valid users, invalid users, guests, encryption. REQUEST_NOT_ACCEPTED: max connections.
NtStatus connect_share(Connection& connection, const xsrv::Session& session, std::string_view name, xsrv::Tcon& tcon);

}  // namespace Atoll::smb2
