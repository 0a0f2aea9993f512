#include "smbd/smb2/interface_list.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

namespace Atoll::smb2 {
namespace {

bool matches(const std::string& item, const char* name, const char* address) {
    sockaddr_storage storage{};
    auto* in = reinterpret_cast<sockaddr_in*>(&storage);
    auto* in6 = reinterpret_cast<sockaddr_in6*>(&storage);
    if (inet_pton(AF_INET, address, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
    } else {
        EXPECT_EQ(inet_pton(AF_INET6, address, &in6->sin6_addr), 1);
        in6->sin6_family = AF_INET6;
    }
    ifaddrs interface {};
    std::string own_name = name;
    interface.ifa_name = own_name.data();
    interface.ifa_addr = reinterpret_cast<sockaddr*>(&storage);
    return InterfaceItem(item).matches(interface);
}

TEST(InterfaceList, ItemsAreNamesAddressesAndNetworks) {
    EXPECT_TRUE(matches("eth*", "eth1", "192.0.2.1"));
    EXPECT_FALSE(matches("eth0", "eth1", "192.0.2.1"));
    EXPECT_TRUE(matches("192.0.2.1", "eth0", "192.0.2.1"));
    EXPECT_FALSE(matches("192.0.2.1", "eth0", "192.0.2.2"));
    EXPECT_TRUE(matches("192.0.2.0/24", "eth0", "192.0.2.200"));
    EXPECT_TRUE(matches("192.0.2.0/255.255.255.128", "eth0", "192.0.2.100"));
    EXPECT_FALSE(matches("192.0.2.0/255.255.255.128", "eth0", "192.0.2.200"));
    EXPECT_TRUE(matches("2001:db8::/32", "eth0", "2001:db8::7"));
    EXPECT_FALSE(matches("192.0.2.0/24", "eth0", "2001:db8::7"));
}

TEST(InterfaceList, WhatIsBehindTheSemicolonIsToldToClients) {
    const InterfaceItem plain("eth0");
    EXPECT_FALSE(plain.speed || plain.index || plain.rss);
    const InterfaceItem item("192.0.2.0/24;if_index=65,speed=10000000000,capability=RSS");
    EXPECT_EQ(item.speed, 10'000'000'000u);
    EXPECT_EQ(item.index, 65u);
    EXPECT_TRUE(item.rss);
    const InterfaceItem odd("eth0;speed=fast,,=,capability=RDMA,what");
    EXPECT_FALSE(odd.speed || odd.index || odd.rss);
    EXPECT_TRUE(matches("eth0;speed=1", "eth0", "192.0.2.1"));
}

TEST(InterfaceList, TheLoopbackIsToldOfWhenItIsNamed) {
    const auto found = network_interfaces({"lo;speed=42,capability=RSS"});
    ASSERT_FALSE(found.empty());
    EXPECT_EQ(found[0].link_speed, 42u);
    EXPECT_EQ(found[0].capability, smb::NetworkInterface::rss_capable);
    EXPECT_NE(found[0].index, 0u);
    EXPECT_EQ(found[0].address[0], 127);
    EXPECT_TRUE(network_interfaces({"no such interface"}).empty());
}

}  // namespace
}  // namespace Atoll::smb2
