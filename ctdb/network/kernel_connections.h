// This machine's TCP connections (sock_diag(7)).
#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "ctdb/network/ip_address.h"

namespace Atoll::ctdb {

// Established ones at these addresses, whoever made them; at most `most`, in no order.
Result<std::vector<Connection>> established_at(std::span<const IpAddress> addresses, size_t most);
// Ends all connections at the address, and resets the other end while the address is still there. Code::unsupported: the kernel cannot.
Result<void> reset_connections_at(const IpAddress& address);

}  // namespace Atoll::ctdb
