#include "smbd/server/packet_socket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "base/limits.h"

namespace Atoll::server {
namespace {

using Received = PacketSocket::Received;

class PacketSocketTest : public testing::Test {
 protected:
    void SetUp() override {
        auto pair = PacketSocket::make_pair();
        ASSERT_TRUE(pair.ok());
        a = std::move(pair->first);
        b = std::move(pair->second);
    }
    PacketSocket a, b;
    Packet packet;
};

TEST_F(PacketSocketTest, WholePacketsInOrderWithTheirKinds) {
    const uint8_t payload[] = {1, 2, 3};
    ASSERT_TRUE(a.send(PacketKind::accepted, payload).ok());
    ASSERT_TRUE(a.send(PacketKind::retire, {}).ok());
    ASSERT_EQ(b.receive(packet), Received::packet);
    EXPECT_EQ(packet.kind, PacketKind::accepted);
    EXPECT_TRUE(std::equal(packet.payload.begin(), packet.payload.end(), payload, payload + 3));
    ASSERT_EQ(b.receive(packet), Received::packet);
    EXPECT_EQ(packet.kind, PacketKind::retire);
    EXPECT_TRUE(packet.payload.empty());
    EXPECT_EQ(b.receive(packet), Received::nothing);
}

TEST_F(PacketSocketTest, ALargePacketWithADescriptor) {
    int pipe_fds[2];
    ASSERT_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
    const UniqueFd reader(pipe_fds[0]);
    UniqueFd writer(pipe_fds[1]);
    Buffer payload;
    payload.append_zeros(300'000);
    payload[299'999] = 7;
    const int fd = writer.get();
    ASSERT_TRUE(a.send(PacketKind::handover, payload, {&fd, 1}).ok());
    writer.reset();
    ASSERT_EQ(b.receive(packet), Received::packet);
    ASSERT_EQ(packet.payload.size(), 300'000u);
    EXPECT_EQ(packet.payload[299'999], 7);
    ASSERT_EQ(packet.descriptors.size(), 1u);
    EXPECT_EQ(write(packet.descriptors[0].get(), "x", 1), 1);
    char c = 0;
    EXPECT_EQ(read(reader.get(), &c, 1), 1);
}

TEST_F(PacketSocketTest, TheEndOfTheOtherIsSeenAfterWhatItSent) {
    ASSERT_TRUE(a.send(PacketKind::taken, {}).ok());
    a.close();
    EXPECT_EQ(b.receive(packet), Received::packet);
    EXPECT_EQ(b.receive(packet), Received::ended);
    const auto sent = b.send(PacketKind::taken, {});
    ASSERT_FALSE(sent.ok());
    EXPECT_EQ(sent.error().code, Code::dead);
}

TEST_F(PacketSocketTest, WhoeverDoesNotReadMakesTheOtherBusyNotBlocked) {
    Buffer payload;
    payload.append_zeros(100'000);
    for (int i = 0; i < 10'000; ++i) {
        const auto sent = a.send(PacketKind::verify, payload);
        if (sent) continue;
        EXPECT_EQ(sent.error().code, Code::busy);
        return;
    }
    FAIL() << "never busy";
}

TEST_F(PacketSocketTest, ATooLargePacketEndsTheConversation) {
    Buffer payload;
    payload.append_zeros(limits::max_packet + 1);
    if (!a.send(PacketKind::verify, payload)) GTEST_SKIP() << "the kernel does not even send it";
    EXPECT_EQ(b.receive(packet), Received::ended);
}

}  // namespace
}  // namespace Atoll::server
