#include "ctdb/network/ip_address.h"

#include <arpa/inet.h>

#include <charconv>

namespace Atoll::ctdb {

std::optional<IpAddress> parse_ip(const std::string& text) {
    for (const uint8_t family : {uint8_t{AF_INET}, uint8_t{AF_INET6}}) {
        IpAddress address;
        address.family = family;
        if (::inet_pton(family, text.c_str(), address.bytes.data()) == 1) return address;
    }
    return std::nullopt;
}

std::string text_of(const IpAddress& address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    return ::inet_ntop(address.family, address.bytes.data(), text.data(), text.size()) != nullptr ? text.data() : "";
}

std::optional<Endpoint> parse_endpoint(const std::string& text) {
    const size_t colon = text.rfind(':');
    if (colon == text.npos) return std::nullopt;
    std::string host = text.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    const auto address = parse_ip(host);
    Endpoint endpoint;
    const auto [at, error] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), endpoint.port);
    if (!address || error != std::errc() || at != text.data() + text.size()) return std::nullopt;
    endpoint.address = *address;
    return endpoint;
}

std::string text_of(const Endpoint& endpoint) {
    const std::string host = text_of(endpoint.address);
    return (endpoint.address.family == AF_INET ? host : "[" + host + "]") + ":" + std::to_string(endpoint.port);
}

}  // namespace Atoll::ctdb
