#include "ctdb/network/link_notices.h"

#include <gtest/gtest.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cstring>

namespace Atoll::ctdb {
namespace {

std::vector<uint8_t> notice(uint16_t type, uint32_t flags, const std::string& name) {
    const size_t attribute_size = RTA_LENGTH(name.size() + 1);
    std::vector<uint8_t> bytes(NLMSG_LENGTH(sizeof(ifinfomsg)) + RTA_ALIGN(attribute_size));
    nlmsghdr header{};
    header.nlmsg_len = static_cast<uint32_t>(bytes.size());
    header.nlmsg_type = type;
    std::memcpy(bytes.data(), &header, sizeof header);
    ifinfomsg about{};
    about.ifi_flags = flags;
    std::memcpy(bytes.data() + NLMSG_HDRLEN, &about, sizeof about);
    rtattr attribute{};
    attribute.rta_len = static_cast<unsigned short>(attribute_size);
    attribute.rta_type = IFLA_IFNAME;
    uint8_t* at = bytes.data() + NLMSG_LENGTH(sizeof(ifinfomsg));
    std::memcpy(at, &attribute, sizeof attribute);
    std::memcpy(at + sizeof attribute, name.c_str(), name.size() + 1);
    return bytes;
}

constexpr uint32_t carrier = 1U << 16;

TEST(LinkNotices, SayWhichLinkIsUp) {
    auto bytes = notice(RTM_NEWLINK, IFF_UP | carrier, "eth1");
    for (const auto& more : {notice(RTM_NEWLINK, IFF_UP, "eth2"), notice(RTM_NEWLINK, carrier, "eth3"), notice(RTM_NEWADDR, IFF_UP, "eth4"),
                             notice(RTM_DELLINK, IFF_UP | carrier, "eth5")})
        bytes.insert(bytes.end(), more.begin(), more.end());
    const std::vector<LinkNotice> wanted = {{"eth1", true}, {"eth2", false}, {"eth3", false}, {"eth5", false}};
    EXPECT_EQ(parse_link_notices(Bytes(bytes)), wanted);
}

TEST(LinkNotices, WhatIsCutOffSaysNothing) {
    const auto whole = notice(RTM_NEWLINK, IFF_UP | carrier, "eth1");
    for (size_t size = 0; size < whole.size(); size++) EXPECT_TRUE(parse_link_notices(Bytes(whole.data(), size)).empty()) << size;
}

TEST(LinkNotices, TheKernelGivesThem) {
    auto notices = LinkNotices::open();
    ASSERT_TRUE(notices.ok());
    EXPECT_GE(notices->fd(), 0);
    EXPECT_TRUE(notices->take().empty());
}

}  // namespace
}  // namespace Atoll::ctdb
