// The authd process (docs/design.md, "Processes"): holds the way to the secrets and answers "is this proof good?". Has no network. Decides
// which process takes a client that has logged on, and gives token and session key to that process only.
#pragma once

#include <memory>
#include <optional>

#include "conf/configuration.h"
#include "smbd/server/membership.h"
#include "smbd/server/packet_socket.h"
#include "smbd/xsrv/databases.h"
#include "tdb/messaging/server_id.h"

namespace Atoll::server {

struct AuthdStart {
    PacketSocket control;  // to the listener; its end ends the process
    messaging::ServerId self;
    xsrv::Databases databases;  // open at the fork, unless `cluster`
    std::optional<ClusterNode> cluster;
    std::shared_ptr<const conf::Configuration> configuration;
    conf::LoadOptions load_options;
};

// Runs in a freshly forked process. Once clients may be served it tells the listener (PacketKind::ready).
[[noreturn]] void run_authd(AuthdStart start);

// Where client processes find authd: a SOCK_SEQPACKET socket, its owner's alone.
std::string authd_socket_path(const conf::GlobalConf& conf);

}  // namespace Atoll::server
