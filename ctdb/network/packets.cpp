#include "ctdb/network/packets.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/unique_fd.h"

namespace Atoll::ctdb {
namespace {

struct Link {
    int index = 0;
    std::array<uint8_t, ETH_ALEN> hardware{};
    bool ethernet = false;
};

Result<Link> link_of(int fd, const std::string& interface) {
    ifreq request{};
    if (interface.size() >= IFNAMSIZ) return fail(Code::invalid, interface, "is no interface");
    std::memcpy(request.ifr_name, interface.c_str(), interface.size());
    Link link;
    link.index = static_cast<int>(::if_nametoindex(interface.c_str()));
    if (link.index == 0 || ::ioctl(fd, SIOCGIFHWADDR, &request) != 0) return fail_errno(errno, interface, "cannot be asked");
    link.ethernet = request.ifr_hwaddr.sa_family == ARPHRD_ETHER;
    std::memcpy(link.hardware.data(), request.ifr_hwaddr.sa_data, ETH_ALEN);
    return link;
}

// RFC 5227 section 3: a request as announcement; RFC 5944 section 4.6 has the reply too.
Result<void> announce_four(const IpAddress& address, const std::string& interface) {
    const UniqueFd fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    if (!fd) return fail_errno(errno, interface, "cannot make a packet socket");
    const auto link = link_of(fd.get(), interface);
    if (!link) return link.failure();
    if (!link->ethernet) return {};
    struct __attribute__((packed)) {
        ether_header ethernet;
        ether_arp arp;
    } packet{};
    std::memset(packet.ethernet.ether_dhost, 0xFF, ETH_ALEN);
    std::memcpy(packet.ethernet.ether_shost, link->hardware.data(), ETH_ALEN);
    packet.ethernet.ether_type = htons(ETHERTYPE_ARP);
    packet.arp.ea_hdr.ar_hrd = htons(ARPHRD_ETHER);
    packet.arp.ea_hdr.ar_pro = htons(ETHERTYPE_IP);
    packet.arp.ea_hdr.ar_hln = ETH_ALEN;
    packet.arp.ea_hdr.ar_pln = 4;
    std::memcpy(packet.arp.arp_sha, link->hardware.data(), ETH_ALEN);
    std::memcpy(packet.arp.arp_spa, address.bytes.data(), 4);
    std::memcpy(packet.arp.arp_tpa, address.bytes.data(), 4);
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = link->index;
    for (const uint16_t operation : {uint16_t{ARPOP_REQUEST}, uint16_t{ARPOP_REPLY}}) {
        packet.arp.ea_hdr.ar_op = htons(operation);
        if (operation == ARPOP_REPLY) std::memcpy(packet.arp.arp_tha, link->hardware.data(), ETH_ALEN);
        if (::sendto(fd.get(), &packet, sizeof packet, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0)
            return fail_errno(errno, interface, "cannot send a gratuitous ARP");
    }
    return {};
}

// RFC 4861 section 4.4, 7.2.6: to all nodes, overriding what they have cached.
Result<void> announce_six(const IpAddress& address, const std::string& interface) {
    const UniqueFd fd(::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6));
    if (!fd) return fail_errno(errno, interface, "cannot make a raw socket");
    const auto link = link_of(fd.get(), interface);
    if (!link) return link.failure();
    if (!link->ethernet) return {};
    struct __attribute__((packed)) {
        nd_neighbor_advert advert;
        nd_opt_hdr option;
        uint8_t hardware[ETH_ALEN];
    } packet{};
    packet.advert.nd_na_type = ND_NEIGHBOR_ADVERT;
    packet.advert.nd_na_flags_reserved = ND_NA_FLAG_OVERRIDE;
    std::memcpy(&packet.advert.nd_na_target, address.bytes.data(), 16);
    packet.option.nd_opt_type = ND_OPT_TARGET_LINKADDR;
    packet.option.nd_opt_len = 1;
    std::memcpy(packet.hardware, link->hardware.data(), ETH_ALEN);
    const int hops = 255;
    (void)::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof hops);
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_scope_id = static_cast<uint32_t>(link->index);
    ::inet_pton(AF_INET6, "ff02::1", &to.sin6_addr);
    if (::sendto(fd.get(), &packet, sizeof packet, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0)
        return fail_errno(errno, interface, "cannot send a neighbour advertisement");
    return {};
}

uint32_t sum_of(Bytes bytes, uint32_t sum) {
    for (size_t at = 0; at < bytes.size(); at += 2)
        sum += static_cast<uint32_t>(bytes[at] << 8) + (at + 1 < bytes.size() ? bytes[at + 1] : 0U);
    return sum;
}

uint16_t checksum(uint32_t sum) {
    while (sum >> 16 != 0) sum = (sum & 0xFFFF) + (sum >> 16);
    return htons(static_cast<uint16_t>(~sum));
}

template <class Header>
Bytes bytes_of(const Header& header) {
    return {reinterpret_cast<const uint8_t*>(&header), sizeof header};
}

// RFC 9293 section 3.1: the checksum has a pseudo header of both addresses, the protocol and the length.
tcphdr tickle_header(const Connection& connection) {
    tcphdr tcp{};
    tcp.source = htons(connection.server.port);
    tcp.dest = htons(connection.client.port);
    tcp.doff = sizeof tcp / 4;
    tcp.ack = 1;
    tcp.window = htons(1234);
    uint32_t sum = sum_of(Bytes(connection.server.address.bytes.data(), connection.server.address.size()), 0);
    sum = sum_of(Bytes(connection.client.address.bytes.data(), connection.client.address.size()), sum);
    tcp.check = checksum(sum_of(bytes_of(tcp), sum + IPPROTO_TCP + sizeof tcp));
    return tcp;
}

}  // namespace

Result<void> announce(const IpAddress& address, const std::string& interface) {
    return address.family == AF_INET ? announce_four(address, interface) : announce_six(address, interface);
}

Buffer tickle_packet(const Connection& connection) {
    const tcphdr tcp = tickle_header(connection);
    Buffer packet;
    if (connection.server.address.family == AF_INET) {
        iphdr ip{};
        ip.version = 4;
        ip.ihl = sizeof ip / 4;
        ip.tot_len = htons(sizeof ip + sizeof tcp);
        ip.ttl = 64;
        ip.protocol = IPPROTO_TCP;
        std::memcpy(&ip.saddr, connection.server.address.bytes.data(), 4);
        std::memcpy(&ip.daddr, connection.client.address.bytes.data(), 4);
        ip.check = checksum(sum_of(bytes_of(ip), 0));
        packet.append(bytes_of(ip));
    } else {
        ip6_hdr ip{};
        ip.ip6_flow = htonl(6U << 28);
        ip.ip6_plen = htons(sizeof tcp);
        ip.ip6_nxt = IPPROTO_TCP;
        ip.ip6_hlim = 64;
        std::memcpy(&ip.ip6_src, connection.server.address.bytes.data(), 16);
        std::memcpy(&ip.ip6_dst, connection.client.address.bytes.data(), 16);
        packet.append(bytes_of(ip));
    }
    packet.append(bytes_of(tcp));
    return packet;
}

Result<void> tickle(const Connection& connection) {
    const Buffer packet = tickle_packet(connection);
    const bool four = connection.client.address.family == AF_INET;
    const UniqueFd fd(::socket(four ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
    if (!fd) return fail_errno(errno, "tickle", "cannot make a raw socket");
    sockaddr_in to4{};
    to4.sin_family = AF_INET;
    std::memcpy(&to4.sin_addr, connection.client.address.bytes.data(), 4);
    sockaddr_in6 to6{};
    to6.sin6_family = AF_INET6;
    std::memcpy(&to6.sin6_addr, connection.client.address.bytes.data(), 16);
    const auto* to = four ? reinterpret_cast<const sockaddr*>(&to4) : reinterpret_cast<const sockaddr*>(&to6);
    const socklen_t size = four ? sizeof to4 : sizeof to6;
    if (::sendto(fd.get(), packet.data(), packet.size(), MSG_DONTWAIT, to, size) < 0)
        return fail_errno(errno, text_of(connection.client), "cannot be tickled");
    return {};
}

}  // namespace Atoll::ctdb
