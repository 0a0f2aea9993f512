// What comes into a mailbox: the first byte says with how many descriptors, the rest is the datagram.
#include "base/assert.h"
#include "base/limits.h"
#include "tdb/messaging/message_format.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace Atoll;
    using namespace Atoll::messaging;
    if (size == 0) return 0;
    const Bytes datagram(data + 1, size - 1);
    const size_t descriptors = data[0];
    const auto header = parse_datagram(datagram, descriptors);
    if (!header) return 0;
    ATOLL_ASSERT(header->length <= limits::max_message || header->length == datagram.size() - MessageHeader::size);
    ATOLL_ASSERT(descriptors <= limits::max_message_descriptors + (header->is_large() ? 1 : 0));
    uint8_t again[MessageHeader::size];
    header->encode(again);
    const auto same = parse_datagram(header->is_large() ? Bytes(again) : datagram, descriptors);
    ATOLL_ASSERT(same && same->from == header->from && same->type == header->type && same->length == header->length);
    const auto named = parse_server_id(to_string(header->from));
    ATOLL_ASSERT(named == header->from);
    return 0;
}
