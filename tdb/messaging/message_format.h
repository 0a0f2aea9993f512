// What stands before the payload of each datagram between processes of one node.
//
// Sender and receiver are of one build, but while a server is upgraded processes of two may meet: the magic number changes with the format.
#pragma once

#include <cstdint>
#include <optional>

#include "base/buffer.h"
#include "tdb/messaging/server_id.h"

namespace Atoll::messaging {

struct MessageHeader {
    static constexpr uint32_t magic_number = 0x314D5441;  // "ATM1"
    static constexpr size_t size = 40;
    static constexpr uint32_t flag_large = 1;  // the payload is in a sealed memfd, the last descriptor

    uint32_t type = 0;
    uint32_t flags = 0;
    uint64_t length = 0;  // of the payload
    ServerId from;

    [[nodiscard]] bool is_large() const { return (flags & flag_large) != 0; }
    // Writes `size` bytes.
    void encode(uint8_t* out) const;
};

// The header of a datagram that came with so many descriptors; nullopt if it is no message of ours. Of one that is not large the payload
// is the rest of the datagram; of one that is, there is no rest, and a descriptor.
std::optional<MessageHeader> parse_datagram(Bytes datagram, size_t descriptors);

}  // namespace Atoll::messaging
