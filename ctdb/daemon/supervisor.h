// The process beside ctdbd that outlives it: it holds the cluster lock and works on the register, or writes the node's vote where there is
// no lock, all of which may take long; lets go of the lock when ctdbd stands still; and when ctdbd ends, however it does, tells the other
// nodes, so that they need not wait for its lease.
//
// A child of ctdbd, made before ctdbd has a loop or a socket.
#pragma once

#include <string>

#include "base/unique_fd.h"
#include "ctdb/daemon/fence.h"
#include "ctdb/daemon/settings.h"
#include "ctdb/daemon/votes.h"

namespace Atoll::ctdb {

// The child's whole life; `ctdbd` is a SOCK_SEQPACKET socket on which lock_request and lock_reply travel. `votes`: where there is no
// cluster lock. Does not return.
[[noreturn]] void run_supervisor(Settings settings, Fence fence, UniqueFd ctdbd, std::optional<Votes> votes);

}  // namespace Atoll::ctdb
