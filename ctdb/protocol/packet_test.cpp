#include "ctdb/protocol/packet.h"

#include <gtest/gtest.h>

#include <cstring>

#include "ctdb/protocol/node.idl.h"

namespace Atoll::ctdb {
namespace {

void feed(PacketReader& reader, Bytes bytes) {
    std::memcpy(reader.space(bytes.size()).data(), bytes.data(), bytes.size());
    reader.filled(bytes.size());
}

Buffer two_packets() {
    Buffer out;
    protocol::hello hello;
    hello.from = 3;
    hello.kind = protocol::connection_kind::BULK;
    append_packet(out, PacketKind::hello, hello);
    append_packet(out, PacketKind::ended, protocol::ended{3, 77});
    return out;
}

TEST(Packet, ComesOutOfAnyPieces) {
    const Buffer stream = two_packets();
    for (size_t piece = 1; piece <= stream.size(); piece++) {
        PacketReader reader(limits::max_node_packet);
        std::vector<PacketKind> kinds;
        for (size_t at = 0; at < stream.size(); at += piece) {
            feed(reader, stream.bytes().subspan(at, std::min(piece, stream.size() - at)));
            Packet packet;
            for (auto more = reader.next(packet); *more; more = reader.next(packet)) {
                kinds.push_back(packet.kind);
                if (packet.kind != PacketKind::ended) continue;
                const auto ended = idl::decode<protocol::ended>(packet.body);
                ASSERT_TRUE(ended.ok());
                EXPECT_EQ(ended->incarnation, 77U);
            }
        }
        EXPECT_EQ(kinds, (std::vector<PacketKind>{PacketKind::hello, PacketKind::ended}));
    }
}

TEST(Packet, OfUnknownKindOrTooLargeEndsTheStream) {
    for (const bool large : {false, true}) {
        PacketReader reader(100);
        const uint8_t head[] = {static_cast<uint8_t>(large ? 101 : 1), 0, 0, 0, static_cast<uint8_t>(large ? 1 : 9)};
        feed(reader, head);
        Packet packet;
        const auto next = reader.next(packet);
        ASSERT_FALSE(next.ok());
        EXPECT_EQ(next.error().code, Code::invalid);
    }
}

}  // namespace
}  // namespace Atoll::ctdb
