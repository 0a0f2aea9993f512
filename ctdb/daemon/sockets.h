// TCP between nodes, IPv4 and IPv6.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "ctdb/protocol/node.idl.h"

namespace Atoll::ctdb {

// This machine can bind to it.
bool is_local_address(const std::string& address);
Result<UniqueFd> listen_at(const std::string& address, uint16_t port);
// From `own` to `address`, not blocking: it may still be connecting. URGENT goes first where the network can tell.
Result<UniqueFd> start_connecting(const std::string& own, const std::string& address, uint16_t port, protocol::connection_kind kind);
// The address of whoever is at the other end; empty if it has gone.
std::string peer_address(int fd);

}  // namespace Atoll::ctdb
