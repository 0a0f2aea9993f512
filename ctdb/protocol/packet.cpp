#include "ctdb/protocol/packet.h"

#include <cstring>
#include <string>

#include "base/bytes.h"

namespace Atoll::ctdb {

void finish_packet(Buffer& out, size_t start, PacketKind kind) {
    store_le<uint32_t>(out.data() + start, static_cast<uint32_t>(out.size() - start - packet_head));
    out[start + 4] = static_cast<uint8_t>(kind);
}

MutableBytes PacketReader::space(size_t size) {
    if (begin_ > 0) {
        std::memmove(bytes_.data(), bytes_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    if (bytes_.size() < end_ + size) bytes_.resize(end_ + size);
    return bytes_.mutable_bytes().subspan(end_);
}

void PacketReader::filled(size_t size) {
    end_ += size;
    ATOLL_ASSERT(end_ <= bytes_.size());
}

Result<bool> PacketReader::next(Packet& packet) {
    if (end_ - begin_ < packet_head) return false;
    const uint8_t* head = bytes_.data() + begin_;
    const size_t size = load_le<uint32_t>(head);
    const uint8_t kind = head[4];
    if (size > limit_) return fail(Code::invalid, "", "a packet of " + std::to_string(size) + " bytes");
    if (kind < static_cast<uint8_t>(PacketKind::hello) || kind > static_cast<uint8_t>(PacketKind::connections))
        return fail(Code::invalid, "", "a packet of unknown kind " + std::to_string(kind));
    if (end_ - begin_ < packet_head + size) return false;
    packet.kind = static_cast<PacketKind>(kind);
    packet.body = Bytes(head + packet_head, size);
    begin_ += packet_head + size;
    return true;
}

}  // namespace Atoll::ctdb
