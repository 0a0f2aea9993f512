#include "smbd/server/addresses.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <fnmatch.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>

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

// The bytes of an address that a network is compared by.
Bytes host_bytes(const sockaddr* address) {
    if (address->sa_family == AF_INET)
        return {reinterpret_cast<const uint8_t*>(&reinterpret_cast<const sockaddr_in*>(address)->sin_addr), 4};
    if (address->sa_family == AF_INET6) return {reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr.s6_addr, 16};
    return {};
}

// One item of `interfaces` (smb.conf(5)): a name with wildcards, an address, or a network as address/bits or address/mask.
class InterfaceItem {
 public:
    explicit InterfaceItem(std::string item) : name_(std::move(item)) {
        const size_t options = name_.find(';');
        if (options != name_.npos) name_.resize(options);  // ";speed=..." is for other uses
        const size_t slash = name_.find('/');
        const std::string host = name_.substr(0, slash);
        for (const int family : {AF_INET, AF_INET6}) {
            std::array<uint8_t, 16> bytes{};
            if (inet_pton(family, host.c_str(), bytes.data()) != 1) continue;
            network_.assign(bytes.begin(), bytes.begin() + (family == AF_INET ? 4 : 16));
        }
        bits_ = network_.size() * 8;
        if (slash != name_.npos) read_mask(name_.substr(slash + 1));
    }

    [[nodiscard]] bool matches(const ifaddrs& interface) const {
        if (network_.empty()) return fnmatch(name_.c_str(), interface.ifa_name, 0) == 0;
        const Bytes host = host_bytes(interface.ifa_addr);
        if (host.size() != network_.size()) return false;
        for (size_t bit = 0; bit < bits_; ++bit) {
            if (((host[bit / 8] ^ network_[bit / 8]) >> (7 - bit % 8) & 1) != 0) return false;
        }
        return true;
    }

 private:
    void read_mask(const std::string& mask) {
        size_t bits = 0;
        const auto [end, error] = std::from_chars(mask.data(), mask.data() + mask.size(), bits);
        if (error == std::errc{} && end == mask.data() + mask.size()) {
            bits_ = std::min(bits, network_.size() * 8);
            return;
        }
        in_addr dotted{};
        if (inet_pton(AF_INET, mask.c_str(), &dotted) == 1) bits_ = static_cast<size_t>(__builtin_popcount(dotted.s_addr));
    }

    std::string name_;
    std::vector<uint8_t> network_;
    size_t bits_ = 0;
};

Result<std::vector<Address>> local_addresses(const conf::Names& interfaces) {
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0) return fail_errno(errno, "interfaces", "cannot list the network interfaces");
    const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, &freeifaddrs);
    std::vector<Address> found;
    for (const std::string& text : interfaces) {
        const InterfaceItem item(text);
        const size_t before = found.size();
        for (const ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
            if (i->ifa_addr == nullptr || (i->ifa_flags & IFF_UP) == 0) continue;
            if (host_bytes(i->ifa_addr).empty() || !item.matches(*i)) continue;
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
