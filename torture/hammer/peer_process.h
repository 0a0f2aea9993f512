// Which process of this machine serves a TCP connection.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace Atoll::hammer {

// The process that has the server's end of the loopback connection open, the server being at `server_port`. Of several, the youngest: those
// before it have handed the connection over. Needs to be root, or the server's user.
std::optional<pid_t> peer_process(uint16_t server_port, uint16_t client_port);

}  // namespace Atoll::hammer
