#include "smbd/server/process_packets.h"

#include <string>

namespace Atoll::server {

Result<void> send_process(PacketSocket& socket, PacketKind kind, const messaging::ServerId& id, std::span<const int> descriptors) {
    const std::string text = to_string(id);
    return socket.send(kind, {reinterpret_cast<const uint8_t*>(text.data()), text.size()}, descriptors);
}

std::optional<messaging::ServerId> process_of(const Packet& packet) {
    return messaging::parse_server_id({reinterpret_cast<const char*>(packet.payload.data()), packet.payload.size()});
}

}  // namespace Atoll::server
