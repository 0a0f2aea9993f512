// A client process: serves all channels of one client (docs/design.md, "Processes"), from the warm image that the listener forked it from.
#pragma once

#include <memory>

#include "base/unique_fd.h"
#include "conf/configuration.h"
#include "smbd/server/packet_socket.h"
#include "smbd/server/server.idl.h"
#include "tdb/messaging/server_id.h"

namespace Atoll::server {

struct ClientStart {
    PacketSocket taker;        // the first channel comes here: authd's grant, then preauth's hand-over
    fork_client request;       // what authd asked for
    messaging::ServerId self;  // with the listener's choice of unique id
    UniqueFd listener_life;    // readable (at its end) when the listener has gone: the process then ends too
    std::shared_ptr<const conf::Configuration> configuration;
    conf::LoadOptions load_options;
};

// Runs in a freshly forked process until the last channel has gone.
[[noreturn]] void run_client(ClientStart start);

}  // namespace Atoll::server
