// The committer process (docs/design.md, "Processes"): writes the durable state for all the others. tdb/committer has what it does.
#pragma once

#include <memory>

#include "conf/configuration.h"
#include "smbd/server/packet_socket.h"
#include "tdb/messaging/server_id.h"

namespace Atoll::server {

struct CommitterStart {
    PacketSocket control;  // to the listener; its end ends the process, when all that was asked of it is done
    messaging::ServerId self;
    std::shared_ptr<const conf::Configuration> configuration;
};

// Runs in a freshly forked process. Once it can be asked it tells the listener (PacketKind::ready).
[[noreturn]] void run_committer(CommitterStart start);

}  // namespace Atoll::server
