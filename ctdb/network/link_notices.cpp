#include "ctdb/network/link_notices.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace Atoll::ctdb {
namespace {

constexpr uint32_t carrier = 1U << 16;  // IFF_LOWER_UP, which only linux/if.h has

std::string name_in(Bytes attributes) {
    for (size_t at = 0; at + sizeof(rtattr) <= attributes.size();) {
        rtattr attribute{};
        std::memcpy(&attribute, attributes.data() + at, sizeof attribute);
        if (attribute.rta_len < sizeof attribute || attribute.rta_len > attributes.size() - at) break;
        if (attribute.rta_type == IFLA_IFNAME) {
            const auto* text = reinterpret_cast<const char*>(attributes.data() + at + sizeof attribute);
            return {text, ::strnlen(text, attribute.rta_len - sizeof attribute)};
        }
        at += RTA_ALIGN(attribute.rta_len);
    }
    return "";
}

}  // namespace

std::vector<LinkNotice> parse_link_notices(Bytes datagram) {
    std::vector<LinkNotice> found;
    for (size_t at = 0; at + NLMSG_HDRLEN <= datagram.size();) {
        nlmsghdr header{};
        std::memcpy(&header, datagram.data() + at, sizeof header);
        if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > datagram.size() - at) break;
        const Bytes body = datagram.subspan(at + NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN);
        at += NLMSG_ALIGN(header.nlmsg_len);
        constexpr size_t about_size = NLMSG_ALIGN(sizeof(ifinfomsg));
        if ((header.nlmsg_type != RTM_NEWLINK && header.nlmsg_type != RTM_DELLINK) || body.size() < about_size) continue;
        ifinfomsg about{};
        std::memcpy(&about, body.data(), sizeof about);
        const bool up = header.nlmsg_type == RTM_NEWLINK && (about.ifi_flags & IFF_UP) != 0 && (about.ifi_flags & carrier) != 0;
        const std::string name = name_in(body.subspan(about_size));
        if (!name.empty()) found.push_back({name, up});
    }
    return found;
}

Result<LinkNotices> LinkNotices::open() {
    UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
    sockaddr_nl links{};
    links.nl_family = AF_NETLINK;
    links.nl_groups = RTMGRP_LINK;
    if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&links), sizeof links) != 0)
        return fail_errno(errno, "netlink", "cannot listen to the kernel's notices of links");
    return LinkNotices(std::move(fd));
}

std::vector<LinkNotice> LinkNotices::take() {
    std::vector<LinkNotice> all;
    std::array<uint8_t, size_t{32} << 10> datagram;
    for (;;) {
        const ssize_t size = ::recv(fd_.get(), datagram.data(), datagram.size(), 0);
        if (size < 0 && (errno == EINTR || errno == ENOBUFS)) continue;
        if (size <= 0) return all;
        for (LinkNotice& notice : parse_link_notices(Bytes(datagram.data(), static_cast<size_t>(size)))) all.push_back(std::move(notice));
    }
}

}  // namespace Atoll::ctdb
