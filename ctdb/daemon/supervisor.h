// The process beside ctdbd that outlives it: it holds the cluster lock and works on the register, which may both take long; lets go of the
// lock when ctdbd stands still; and when ctdbd ends, however it does, tells the other nodes, so that they need not wait for its lease.
//
// A child of ctdbd, made before ctdbd has a loop or a socket.
#pragma once

#include <string>

#include "base/unique_fd.h"
#include "ctdb/daemon/fence.h"
#include "ctdb/daemon/settings.h"

namespace Atoll::ctdb {

// The child's whole life; `ctdbd` is a SOCK_SEQPACKET socket on which lock_request and lock_reply travel. Does not return.
[[noreturn]] void run_supervisor(Settings settings, Fence fence, UniqueFd ctdbd);

}  // namespace Atoll::ctdb
