// Packets that the kernel does not send by itself: news of an address, and the tickle of a lost server's client.
#pragma once

#include <string>

#include "base/result.h"
#include "base/buffer.h"
#include "ctdb/network/ip_address.h"

namespace Atoll::ctdb {

// Tells the link that `address` is here: a gratuitous ARP request and reply, or an unsolicited neighbour advertisement.
Result<void> announce(const IpAddress& address, const std::string& interface);

// A TCP ACK from `connection.server` to its client with numbers that cannot be right: the client answers with an ACK of its own, to whoever
// has the address now, is reset by that kernel, which knows of no such connection, and makes another.
Result<void> tickle(const Connection& connection);

// As tickle() sends it: IP header and TCP header.
Buffer tickle_packet(const Connection& connection);

}  // namespace Atoll::ctdb
