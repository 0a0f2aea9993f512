// IPv4 and IPv6 addresses and TCP connections as values.
#pragma once

#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace Atoll::ctdb {

struct IpAddress {
    uint8_t family = 0;               // AF_INET or AF_INET6
    std::array<uint8_t, 16> bytes{};  // the first 4 of AF_INET
    auto operator<=>(const IpAddress&) const = default;
    [[nodiscard]] size_t size() const { return family == AF_INET ? 4 : 16; }
};

std::optional<IpAddress> parse_ip(const std::string& text);
std::string text_of(const IpAddress& address);

struct Endpoint {
    IpAddress address;
    uint16_t port = 0;
    auto operator<=>(const Endpoint&) const = default;
};
// "10.0.0.1:445", "[fd00::1]:445"; fd00::1:445 is taken too.
std::optional<Endpoint> parse_endpoint(const std::string& text);
std::string text_of(const Endpoint& endpoint);

// As its server sees it.
struct Connection {
    Endpoint server;
    Endpoint client;
    auto operator<=>(const Connection&) const = default;
};

}  // namespace Atoll::ctdb
