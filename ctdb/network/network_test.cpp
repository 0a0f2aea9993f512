#include <gtest/gtest.h>
#include <netinet/in.h>

#include "ctdb/network/ip_address.h"
#include "ctdb/network/kernel_addresses.h"
#include "ctdb/network/kernel_connections.h"
#include "ctdb/network/packets.h"

namespace Atoll::ctdb {
namespace {

uint32_t sum_of(Bytes bytes) {
    uint32_t sum = 0;
    for (size_t at = 0; at < bytes.size(); at += 2) sum += static_cast<uint32_t>(bytes[at] << 8 | bytes[at + 1]);
    while (sum >> 16 != 0) sum = (sum & 0xFFFF) + (sum >> 16);
    return sum;
}

TEST(Network, EndpointsAreReadAndWritten) {
    EXPECT_EQ(text_of(parse_endpoint("10.0.0.1:445").value()), "10.0.0.1:445");
    EXPECT_EQ(text_of(parse_endpoint("[fd00::1]:445").value()), "[fd00::1]:445");
    EXPECT_EQ(text_of(parse_endpoint("fd00::1:445").value()), "[fd00::1]:445");
    for (const char* bad : {"", "10.0.0.1", "10.0.0.1:", "10.0.0.1:x", "10.0.0.1:70000", "10.0.0:1", "[fd00::1]", "x:1"})
        EXPECT_FALSE(parse_endpoint(bad).has_value()) << bad;
}

// A header whose checksum is right sums up to all ones (RFC 1071).
TEST(Network, ATickleIsAnAckWithoutNumbers) {
    const Buffer four = tickle_packet({parse_endpoint("10.0.0.1:445").value(), parse_endpoint("10.0.0.9:50000").value()});
    ASSERT_EQ(four.size(), 40U);
    EXPECT_EQ(sum_of(four.bytes().first(20)), 0xFFFFU);
    const uint8_t* tcp = four.data() + 20;
    EXPECT_EQ(tcp[0] << 8 | tcp[1], 445);
    EXPECT_EQ(tcp[2] << 8 | tcp[3], 50000);
    for (size_t at = 4; at < 12; at++) EXPECT_EQ(tcp[at], 0) << at;
    EXPECT_EQ(tcp[13], 0x10);
    Buffer checked;
    checked.append(four.bytes().subspan(12, 8));
    const uint8_t rest[4] = {0, IPPROTO_TCP, 0, 20};
    checked.append(Bytes(rest, 4));
    checked.append(four.bytes().subspan(20));
    EXPECT_EQ(sum_of(checked), 0xFFFFU);

    const Buffer six = tickle_packet({parse_endpoint("[fd00::1]:445").value(), parse_endpoint("[fd00::9]:50000").value()});
    ASSERT_EQ(six.size(), 60U);
    checked.clear();
    checked.append(six.bytes().subspan(8, 32));
    checked.append(Bytes(rest, 4));
    checked.append(six.bytes().subspan(40));
    EXPECT_EQ(sum_of(checked), 0xFFFFU);
}

TEST(Network, TheMachinesAddressesAreFound) {
    const std::vector<IpAddress> asked = {parse_ip("127.0.0.1").value(), parse_ip("192.0.2.77").value()};
    const auto up = addresses_up(asked);
    ASSERT_TRUE(up.ok());
    EXPECT_EQ(*up, std::vector<IpAddress>{asked[0]});
    EXPECT_TRUE(remove_addresses(std::vector<IpAddress>{asked[1]}).ok());
}

TEST(Network, ItsConnectionsToo) {
    const IpAddress here = parse_ip("127.0.0.1").value();
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    const int server = ::socket(AF_INET, SOCK_STREAM, 0);
    const int client = ::socket(AF_INET, SOCK_STREAM, 0);
    ASSERT_EQ(::bind(server, reinterpret_cast<sockaddr*>(&address), size), 0);
    ASSERT_EQ(::listen(server, 1), 0);
    ASSERT_EQ(::getsockname(server, reinterpret_cast<sockaddr*>(&address), &size), 0);
    ASSERT_EQ(::connect(client, reinterpret_cast<sockaddr*>(&address), size), 0);
    const auto found = established_at(std::vector<IpAddress>{here}, 100000);
    ASSERT_TRUE(found.ok());
    const uint16_t port = ntohs(address.sin_port);
    size_t as_server = 0;
    for (const Connection& connection : *found) as_server += connection.server.port == port ? 1 : 0;
    EXPECT_EQ(as_server, 1U);
    ::close(client);
    ::close(server);
}

}  // namespace
}  // namespace Atoll::ctdb
