// Packets that name a process, whose payload is its server id as text, or a format level, a little-endian u32.
#pragma once

#include <optional>
#include <span>

#include "base/result.h"
#include "idl/level.h"
#include "smbd/server/packet_socket.h"
#include "tdb/messaging/server_id.h"

namespace Atoll::server {

// As PacketSocket::send.
Result<void> send_process(PacketSocket& socket, PacketKind kind, const messaging::ServerId& id, std::span<const int> descriptors = {});
// nullopt: the payload names none.
std::optional<messaging::ServerId> process_of(const Packet& packet);

// format_level, and what the housekeeper's `ready` says.
Result<void> send_format_level(PacketSocket& socket, PacketKind kind, idl::Level level);
// The process writes at that level from now on. A packet that says none changes nothing.
void take_format_level(const Packet& packet);

}  // namespace Atoll::server
