#include "tdb/messaging/message_format.h"

#include "base/bytes.h"
#include "base/limits.h"

namespace Atoll::messaging {

void MessageHeader::encode(uint8_t* out) const {
    store_le(out, magic_number);
    store_le(out + 4, type);
    store_le(out + 8, flags);
    store_le(out + 12, from.node);
    store_le(out + 16, from.pid);
    store_le(out + 24, from.unique_id);
    store_le(out + 32, length);
}

std::optional<MessageHeader> parse_datagram(Bytes datagram, size_t descriptors) {
    if (datagram.size() < MessageHeader::size || load_le<uint32_t>(datagram.data()) != MessageHeader::magic_number) return std::nullopt;
    MessageHeader header;
    header.type = load_le<uint32_t>(datagram.data() + 4);
    header.flags = load_le<uint32_t>(datagram.data() + 8);
    header.from.node = load_le<uint32_t>(datagram.data() + 12);
    header.from.pid = load_le<uint64_t>(datagram.data() + 16);
    header.from.unique_id = load_le<uint64_t>(datagram.data() + 24);
    header.length = load_le<uint64_t>(datagram.data() + 32);
    if ((header.flags & ~MessageHeader::flag_large) != 0) return std::nullopt;
    const size_t rest = datagram.size() - MessageHeader::size;
    if (header.is_large()) {
        if (rest != 0 || descriptors == 0 || header.length > limits::max_message) return std::nullopt;
        descriptors--;
    } else if (header.length != rest) {
        return std::nullopt;
    }
    if (descriptors > limits::max_message_descriptors) return std::nullopt;
    return header;
}

}  // namespace Atoll::messaging
