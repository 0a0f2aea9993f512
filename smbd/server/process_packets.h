// Packets that name a process: their payload is its server id as text.
#pragma once

#include <optional>
#include <span>

#include "base/result.h"
#include "smbd/server/packet_socket.h"
#include "tdb/messaging/server_id.h"

namespace Atoll::server {

// As PacketSocket::send.
Result<void> send_process(PacketSocket& socket, PacketKind kind, const messaging::ServerId& id, std::span<const int> descriptors = {});
// nullopt: the payload names none.
std::optional<messaging::ServerId> process_of(const Packet& packet);

}  // namespace Atoll::server
