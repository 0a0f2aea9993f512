#include <gtest/gtest.h>

#include "ctdb/protocol/cluster.idl.h"

namespace Atoll::protocol {
namespace {

message message_of(uint64_t seed) {
    idl::Arbitrary random(seed);
    message made;
    arbitrary(random, made);
    return made;
}

TEST(Protocol, EveryKindOfMessageComesBackAsItWas) {
    size_t kinds[7] = {};
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

}  // namespace
}  // namespace Atoll::protocol
