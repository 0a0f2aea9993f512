#include "smbd/smb2/interface_list.h"

#include <arpa/inet.h>
#include <fnmatch.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include "base/log.h"
#include "base/unique_fd.h"
#include "base/utf.h"
#include "smbd/smb2/limits.h"

namespace Atoll::smb2 {
namespace {

constexpr uint64_t default_speed = 1'000'000'000;  // bits per second, where the kernel knows none

template <class Number>
std::optional<Number> to_number(std::string_view text) {
    Number number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

// What the driver says; false: it says nothing.
template <class Request>
bool ask_driver(int socket, const char* name, Request& request) {
    ifreq question{};
    std::strncpy(question.ifr_name, name, sizeof question.ifr_name - 1);
    question.ifr_data = reinterpret_cast<char*>(&request);
    return ioctl(socket, SIOCETHTOOL, &question) == 0;
}

void describe(int socket, const char* name, smb::NetworkInterface& out) {
    out.index = if_nametoindex(name);
    out.link_speed = default_speed;
    ethtool_cmd settings{};
    settings.cmd = ETHTOOL_GSET;
    if (ask_driver(socket, name, settings)) {
        const uint32_t megabits = ethtool_cmd_speed(&settings);
        const bool known = megabits != 0 && megabits != static_cast<uint32_t>(SPEED_UNKNOWN);
        if (known) out.link_speed = uint64_t{megabits} * 1'000'000;
    }
    ethtool_rxnfc rings{};
    rings.cmd = ETHTOOL_GRXRINGS;
    if (ask_driver(socket, name, rings) && rings.data > 1) out.capability |= smb::NetworkInterface::rss_capable;
}

void describe(const InterfaceItem& item, smb::NetworkInterface& out) {
    if (item.speed) out.link_speed = *item.speed;
    if (item.index) out.index = *item.index;
    if (item.rss) out.capability |= smb::NetworkInterface::rss_capable;
}

bool is_link_local(const sockaddr* address) {
    if (address->sa_family != AF_INET6) return false;
    const auto* in = reinterpret_cast<const sockaddr_in6*>(address);
    return IN6_IS_ADDR_LINKLOCAL(&in->sin6_addr) != 0;
}

bool usable(const ifaddrs& interface) {
    constexpr unsigned wanted = IFF_UP | IFF_RUNNING;
    if (interface.ifa_addr == nullptr || (interface.ifa_flags & wanted) != wanted) return false;
    return !host_bytes(interface.ifa_addr).empty() && !is_link_local(interface.ifa_addr);
}

smb::NetworkInterface make_entry(int socket, const ifaddrs& interface) {
    smb::NetworkInterface entry;
    entry.ipv6 = interface.ifa_addr->sa_family == AF_INET6;
    const Bytes host = host_bytes(interface.ifa_addr);
    std::copy(host.begin(), host.end(), entry.address.begin());
    describe(socket, interface.ifa_name, entry);
    return entry;
}

}  // namespace

Bytes host_bytes(const sockaddr* address) {
    if (address->sa_family == AF_INET)
        return {reinterpret_cast<const uint8_t*>(&reinterpret_cast<const sockaddr_in*>(address)->sin_addr), 4};
    if (address->sa_family == AF_INET6) return {reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr.s6_addr, 16};
    return {};
}

InterfaceItem::InterfaceItem(const std::string& item) : name_(item) {
    const size_t semicolon = name_.find(';');
    if (semicolon != name_.npos) {
        std::string_view options = std::string_view(item).substr(semicolon + 1);
        while (!options.empty()) {
            const std::string_view option = options.substr(0, options.find(','));
            options.remove_prefix(std::min(option.size() + 1, options.size()));
            const size_t equals = option.find('=');
            if (equals != option.npos) read_option(option.substr(0, equals), option.substr(equals + 1));
        }
        name_.resize(semicolon);
    }
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

// RDMA is not offered: there is no SMB Direct.
void InterfaceItem::read_option(std::string_view key, std::string_view value) {
    if (equal_ignoring_case(key, "speed")) {
        speed = to_number<uint64_t>(value);
    } else if (equal_ignoring_case(key, "if_index")) {
        index = to_number<uint32_t>(value);
    } else if (equal_ignoring_case(key, "capability")) {
        rss = rss || equal_ignoring_case(value, "RSS");
    } else {
        log_notice("interfaces: {}: '{}' is not known", name_, key);
    }
}

bool InterfaceItem::matches(const ifaddrs& interface) const {
    if (network_.empty()) return fnmatch(name_.c_str(), interface.ifa_name, 0) == 0;
    const Bytes host = host_bytes(interface.ifa_addr);
    if (host.size() != network_.size()) return false;
    for (size_t bit = 0; bit < bits_; ++bit) {
        if (((host[bit / 8] ^ network_[bit / 8]) >> (7 - bit % 8) & 1) != 0) return false;
    }
    return true;
}

void InterfaceItem::read_mask(const std::string& mask) {
    if (const auto bits = to_number<size_t>(mask)) {
        bits_ = std::min(*bits, network_.size() * 8);
        return;
    }
    in_addr dotted{};
    if (inet_pton(AF_INET, mask.c_str(), &dotted) == 1) bits_ = static_cast<size_t>(__builtin_popcount(dotted.s_addr));
}

std::vector<smb::NetworkInterface> network_interfaces(const conf::Names& interfaces) {
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0) {
        log_error("cannot list the network interfaces: {}", strerror(errno));
        return {};
    }
    const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, &freeifaddrs);
    const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    std::vector<InterfaceItem> items;
    for (const std::string& text : interfaces) items.emplace_back(text);
    std::vector<smb::NetworkInterface> found, loopback;
    for (const ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
        if (!usable(*i) || found.size() >= limits::max_network_interfaces) continue;
        const auto item = std::ranges::find_if(items, [&](const InterfaceItem& one) { return one.matches(*i); });
        if (!items.empty() && item == items.end()) continue;
        smb::NetworkInterface entry = make_entry(socket.get(), *i);
        if (item != items.end()) describe(*item, entry);
        const bool aside = items.empty() && (i->ifa_flags & IFF_LOOPBACK) != 0;
        if (entry.index != 0) (aside ? loopback : found).push_back(entry);
    }
    return found.empty() ? loopback : found;
}

}  // namespace Atoll::smb2
