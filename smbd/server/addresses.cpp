#include "smbd/server/addresses.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "smbd/smb2/interface_list.h"

namespace Atoll::server {

namespace {

constexpr uint16_t netbios_port = 139;
constexpr int backlog = 512;

struct Address {
    sockaddr_storage storage{};
    socklen_t length = 0;
    [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
    [[nodiscard]] int family() const { return storage.ss_family; }
};

Address ipv4(const in_addr& host, uint16_t port) {
    Address address;
    auto* in = reinterpret_cast<sockaddr_in*>(&address.storage);
    in->sin_family = AF_INET;
    in->sin_addr = host;
    in->sin_port = htons(port);
    address.length = sizeof *in;
    return address;
}

Address ipv6(const in6_addr& host, uint32_t scope, uint16_t port) {
    Address address;
    auto* in = reinterpret_cast<sockaddr_in6*>(&address.storage);
    in->sin6_family = AF_INET6;
    in->sin6_addr = host;
    in->sin6_scope_id = scope;
    in->sin6_port = htons(port);
    address.length = sizeof *in;
    return address;
}

void take_address(const Address& address, std::string& host, uint16_t& port) {
    char text[INET6_ADDRSTRLEN] = "";
    if (address.family() == AF_INET) {
        const auto* in = reinterpret_cast<const sockaddr_in*>(&address.storage);
        inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
        port = ntohs(in->sin_port);
    } else if (address.family() == AF_INET6) {
        const auto* in = reinterpret_cast<const sockaddr_in6*>(&address.storage);
        if (IN6_IS_ADDR_V4MAPPED(&in->sin6_addr)) {
            inet_ntop(AF_INET, in->sin6_addr.s6_addr + 12, text, sizeof text);
        } else {
            inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof text);
        }
        port = ntohs(in->sin6_port);
    }
    host = text;
}

std::string to_text(const Address& address) {
    std::string host;
    uint16_t port = 0;
    take_address(address, host, port);
    return address.family() == AF_INET6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

Result<std::vector<Address>> local_addresses(const conf::Names& interfaces) {
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0) return fail_errno(errno, "interfaces", "cannot list the network interfaces");
    const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, &freeifaddrs);
    std::vector<Address> found;
    for (const std::string& text : interfaces) {
        const smb2::InterfaceItem item(text);
        const size_t before = found.size();
        for (const ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
            if (i->ifa_addr == nullptr || (i->ifa_flags & IFF_UP) == 0) continue;
            if (smb2::host_bytes(i->ifa_addr).empty() || !item.matches(*i)) continue;
            if (i->ifa_addr->sa_family == AF_INET) {
                found.push_back(ipv4(reinterpret_cast<const sockaddr_in*>(i->ifa_addr)->sin_addr, 0));
            } else {
                const auto* in = reinterpret_cast<const sockaddr_in6*>(i->ifa_addr);
                found.push_back(ipv6(in->sin6_addr, in->sin6_scope_id, 0));
            }
        }
        if (found.size() == before)
            return fail(Code::not_found, "interfaces", fmt::format("no address of this machine is meant by '{}'", text));
    }
    return found;
}

Result<ListeningSocket> listen_at(Address address, uint16_t port, bool only_ipv6) {
    if (address.family() == AF_INET) {
        reinterpret_cast<sockaddr_in*>(&address.storage)->sin_port = htons(port);
    } else {
        reinterpret_cast<sockaddr_in6*>(&address.storage)->sin6_port = htons(port);
    }
    ListeningSocket socket{UniqueFd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)), port == netbios_port,
                           to_text(address)};
    if (!socket.fd) return fail_errno(errno, socket.name, "cannot make a socket");
    const int yes = 1;
    const int v6 = only_ipv6 ? 1 : 0;
    (void)setsockopt(socket.fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (address.family() == AF_INET6) (void)setsockopt(socket.fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &v6, sizeof v6);
    if (bind(socket.fd.get(), address.get(), address.length) != 0) return fail_errno(errno, socket.name, "cannot bind");
    if (listen(socket.fd.get(), backlog) != 0) return fail_errno(errno, socket.name, "cannot listen");
    return socket;
}

}  // namespace

bool read_addresses(int socket, smb2::ChannelState& channel) {
    Address address;
    address.length = sizeof address.storage;
    if (getpeername(socket, reinterpret_cast<sockaddr*>(&address.storage), &address.length) != 0) return false;
    take_address(address, channel.peer_address, channel.peer_port);
    address.length = sizeof address.storage;
    if (getsockname(socket, reinterpret_cast<sockaddr*>(&address.storage), &address.length) != 0) return false;
    take_address(address, channel.local_address, channel.local_port);
    return true;
}

Result<std::vector<ListeningSocket>> listen_on(const conf::GlobalConf& conf, const std::vector<uint16_t>& ports) {
    std::vector<Address> addresses;
    const bool everywhere = !conf.bind_interfaces_only || conf.interfaces.empty();
    if (!everywhere) {
        auto local = local_addresses(conf.interfaces);
        if (!local) return local.failure();
        addresses = std::move(local).value();
    }
    std::vector<ListeningSocket> sockets;
    for (const uint16_t port : ports) {
        if (everywhere) {
            // One socket for both families; where there is no IPv6, one for IPv4.
            auto both = listen_at(ipv6(in6addr_any, 0, 0), port, false);
            if (!both && errno == EAFNOSUPPORT) both = listen_at(ipv4({INADDR_ANY}, 0), port, false);
            if (!both) return both.failure();
            sockets.push_back(std::move(both).value());
        }
        for (const Address& address : addresses) {
            auto one = listen_at(address, port, true);
            if (!one) return one.failure();
            sockets.push_back(std::move(one).value());
        }
    }
    return sockets;
}

}  // namespace Atoll::server
