#include "smbd/server/process_packets.h"

#include <string>

#include "base/bytes.h"

namespace Atoll::server {

Result<void> send_process(PacketSocket& socket, PacketKind kind, const messaging::ServerId& id, std::span<const int> descriptors) {
    const std::string text = to_string(id);
    return socket.send(kind, {reinterpret_cast<const uint8_t*>(text.data()), text.size()}, descriptors);
}

std::optional<messaging::ServerId> process_of(const Packet& packet) {
    return messaging::parse_server_id({reinterpret_cast<const char*>(packet.payload.data()), packet.payload.size()});
}

Result<void> send_format_level(PacketSocket& socket, PacketKind kind, idl::Level level) {
    Buffer payload;
    ByteWriter(payload).u32(level);
    return socket.send(kind, payload);
}

void take_format_level(const Packet& packet) {
    if (packet.payload.size() == sizeof(idl::Level)) idl::set_written_level(load_le<uint32_t>(packet.payload.data()));
}

}  // namespace Atoll::server
