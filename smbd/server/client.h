// A client process: serves all channels of one client (docs/design.md, "Processes"), from the warm image that the listener forked it from.
// It is forked before there is a client for it, and waits: a log-on then costs no fork.
#pragma once

#include <memory>
#include <optional>

#include "base/unique_fd.h"
#include "conf/configuration.h"
#include "smbd/server/membership.h"
#include "smbd/server/packet_socket.h"
#include "smbd/xsrv/databases.h"
#include "tdb/messaging/server_id.h"

namespace Atoll::server {

struct ClientStart {
    PacketSocket taker;  // the first channel comes here: authd's grant, then preauth's hand-over. Its end before that ends the process
    xsrv::Databases databases;  // open at the fork, unless `cluster`
    std::optional<ClusterNode> cluster;
    messaging::ServerId self;  // with the listener's choice of unique id
    UniqueFd listener_life;    // readable (at its end) when the listener has gone: the process then ends too
    std::shared_ptr<const conf::Configuration> configuration;
    conf::LoadOptions load_options;
    unsigned pool_threads = 2;  // at most
};

// Runs in a freshly forked process until the last channel has gone. Exit status 0: it has left nothing behind, neither records in the
// databases nor the name of its mailbox.
[[noreturn]] void run_client(ClientStart start);

}  // namespace Atoll::server
