// The preauth process (docs/design.md, "Processes"): many connections that have not logged on. Parses what strangers send, with no
// privilege, no secret and no way to the account database.
#pragma once

#include "smbd/server/packet_socket.h"
#include "smbd/server/preauth_session.h"

namespace Atoll::server {

// Runs in a freshly forked process until the listener ends the control connection or retires it and the last connection has gone.
// Gives up all privileges first.
[[noreturn]] void run_preauth(PacketSocket control, PreauthPolicy policy);

}  // namespace Atoll::server
