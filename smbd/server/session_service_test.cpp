#include "smbd/server/session_service.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/limits.h"

namespace Atoll::server {
namespace {

using Kind = FramePeek::Kind;

std::vector<uint8_t> packet(uint8_t type, uint32_t length, size_t present) {
    std::vector<uint8_t> bytes = {type, static_cast<uint8_t>(length >> 16), static_cast<uint8_t>(length >> 8),
                                  static_cast<uint8_t>(length)};
    bytes.resize(4 + present, 0xAB);
    return bytes;
}

TEST(SessionService, DirectTcp) {
    EXPECT_EQ(peek_frame({}, false).kind, Kind::incomplete);
    EXPECT_EQ(peek_frame(packet(0, 100, 99), false).kind, Kind::incomplete);
    const auto bytes = packet(0, 100, 150);
    const FramePeek found = peek_frame(bytes, false);
    EXPECT_EQ(found.kind, Kind::message);
    EXPECT_EQ(found.size, 104u);
    EXPECT_EQ(found.frame.data(), bytes.data() + 4);
    EXPECT_EQ(found.frame.size(), 100u);
}

TEST(SessionService, WhatIsTooLargeIsKnownFromItsHeader) {
    EXPECT_EQ(peek_frame(packet(0, limits::max_preauth_frame, 0), false).kind, Kind::incomplete);
    EXPECT_EQ(peek_frame(packet(0, limits::max_preauth_frame + 1, 0), false).kind, Kind::bad);
    EXPECT_EQ(peek_frame(packet(0, 0xFFFFFF, 0), false).kind, Kind::bad);
}

TEST(SessionService, OtherTypesOnlyOnANetbiosPort) {
    for (const uint8_t type : std::vector<uint8_t>{0x81, 0x85, 0x82, 0x01, 0xFF})
        EXPECT_EQ(peek_frame(packet(type, 0, 0), false).kind, Kind::bad) << int{type};
    EXPECT_EQ(peek_frame(packet(0x81, 68, 68), true).kind, Kind::session_request);
    EXPECT_EQ(peek_frame(packet(0x81, 68, 68), true).size, 72u);
    EXPECT_EQ(peek_frame(packet(0x85, 0, 0), true).kind, Kind::keep_alive);
    EXPECT_EQ(peek_frame(packet(0x82, 0, 0), true).kind, Kind::bad);
}

TEST(SessionService, ASessionRequestHoldsTwoNames) {
    const std::string name = " " + std::string(32, 'C') + std::string(1, '\0');
    const std::string scoped = " " + std::string(32, 'C') + "\x05scope" + std::string(1, '\0');
    for (const std::string& good : {name + name, scoped + name, name + scoped}) {
        const SessionAnswer answer = answer_to(as_bytes(good));
        EXPECT_TRUE(answer.positive);
        EXPECT_EQ(answer.response[0], 0x82);
    }
    const std::string no_letters = " " + std::string(32, 'c') + std::string(1, '\0');
    for (const std::string& bad : {std::string(), name, name + name.substr(0, 33), name + name + "x", no_letters + name,
                                   std::string(68, '\xFF'), " " + std::string(32, 'C') + "\x40" + std::string(70, 'x')}) {
        const SessionAnswer answer = answer_to(as_bytes(bad));
        EXPECT_FALSE(answer.positive);
        ASSERT_EQ(answer.response.size(), 5u);
        EXPECT_EQ(answer.response[0], 0x83);
    }
}

TEST(SessionService, NetbiosLengthsHaveSeventeenBits) {
    EXPECT_EQ(peek_frame(packet(0, 0x20000, 0), true).kind, Kind::bad);
    EXPECT_EQ(peek_frame(packet(0, 0x10000, 0), true).kind, Kind::incomplete);
}

}  // namespace
}  // namespace Atoll::server
