// The committer process (docs/design.md, "Processes"): writes the durable state for all the others. tdb/committer has what it does. In a
// cluster it is this node's committer of the durable state of all nodes besides (ctdb/durable).
#pragma once

#include <memory>
#include <optional>

#include "conf/configuration.h"
#include "smbd/server/membership.h"
#include "smbd/server/packet_socket.h"
#include "tdb/messaging/server_id.h"

namespace Atoll::server {

struct CommitterStart {
    PacketSocket control;  // to the listener; its end ends the process, when all that was asked of it is done
    messaging::ServerId self;
    std::optional<ClusterNode> cluster;
    std::shared_ptr<const conf::Configuration> configuration;
};

// Runs in a freshly forked process. Once it can be asked it tells the listener (PacketKind::ready).
[[noreturn]] void run_committer(CommitterStart start);

}  // namespace Atoll::server
