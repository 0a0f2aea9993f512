// The housekeeper process (docs/design.md, "Processes"): cleans up after processes that have ended.
#pragma once

#include <memory>
#include <optional>

#include "conf/configuration.h"
#include "smbd/server/membership.h"
#include "smbd/server/packet_socket.h"
#include "smbd/xsrv/databases.h"
#include "smbd/xsrv/leftover.h"
#include "tdb/messaging/server_id.h"

namespace Atoll::server {

struct HousekeeperStart {
    PacketSocket control;  // to the listener; its end ends the process
    messaging::ServerId self;
    xsrv::Databases databases;  // open at the fork, unless `cluster`
    std::optional<ClusterNode> cluster;
    std::shared_ptr<const conf::Configuration> configuration;
    bool first = false;  // of a server that has just started: what its predecessor left in the volatile databases is removed
    // Of that predecessor: what of it outlives it is put back, and its processes are cleaned up after.
    std::shared_ptr<const xsrv::Leftover> leftover = {};
    bool watches = true;  // local changes, which one process of the node does
};

// Runs in a freshly forked process. Once clients may be served it tells the listener (PacketKind::ready), and the u32 format level at which
// the server's processes write; again when that rises.
[[noreturn]] void run_housekeeper(HousekeeperStart start);

}  // namespace Atoll::server
