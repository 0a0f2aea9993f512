#include <gtest/gtest.h>

#include "ctdb/protocol/client.idl.h"
#include "ctdb/protocol/cluster.idl.h"
#include "ctdb/protocol/node.idl.h"
#include "ctdb/protocol/packet.h"

namespace Atoll::protocol {
namespace {

message message_of(uint64_t seed) {
    idl::Arbitrary random(seed);
    message made;
    arbitrary(random, made);
    return made;
}

TEST(Protocol, EveryKindOfMessageComesBackAsItWas) {
    size_t kinds[8] = {};
    for (uint64_t seed = 1; seed <= 500; seed++) {
        const message made = message_of(seed);
        Buffer bytes;
        encode(made, bytes, message::newest_version);
        message read;
        ASSERT_TRUE(decode(bytes, read).ok()) << seed;
        EXPECT_EQ(made, read) << seed;
        kinds[static_cast<size_t>(made.kind)]++;
    }
    for (size_t kind = 1; kind < std::size(kinds); kind++) EXPECT_GT(kinds[kind], 0U) << kind;
}

TEST(Protocol, AMessageThatEndsEarlyOrGoesOnIsRefused) {
    for (uint64_t seed = 1; seed <= 50; seed++) {
        Buffer bytes;
        encode(message_of(seed), bytes, message::newest_version);
        message read;
        EXPECT_FALSE(decode(bytes.bytes().first(bytes.size() - 1), read).ok()) << seed;
        bytes.append_zeros(1);
        EXPECT_FALSE(decode(bytes, read).ok()) << seed;
    }
}

TEST(Protocol, TheProgramReadsAllThatItCanWrite) {
    for (const auto types : {cluster_records(), node_records(), client_records()}) {
        for (const idl::RecordType& type : types) EXPECT_LE(type.newest, idl::newest_known_level()) << type.name;
    }
}

// What came before views had one is of the first.
TEST(Protocol, AViewSaysItsLevelFromTheSecondOn) {
    view written;
    written.level = 2;
    Buffer first, second;
    encode(written, first, 1);
    encode(written, second, 2);
    EXPECT_EQ(idl::decode<view>(first)->level, 1U);
    EXPECT_EQ(idl::decode<view>(second)->level, 2U);
}

TEST(Protocol, AHelloIsOfTheFirstLevelWhateverTheClusterHas) {
    idl::set_written_level(2);
    Buffer packet;
    ctdb::append_packet(packet, ctdb::PacketKind::hello, hello{});
    idl::set_written_level(idl::first_level);
    EXPECT_EQ(load_le<uint16_t>(packet.data() + ctdb::packet_head), 1U);
}

}  // namespace
}  // namespace Atoll::protocol
