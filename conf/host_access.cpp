// Hosts of access lists (smb.conf(5) hosts allow; hosts_access(5)).
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <array>
#include <charconv>
#include <cstring>

#include "base/utf.h"
#include "conf/access_lists.h"

namespace Atoll::conf {

namespace {

struct Address {
    std::array<uint8_t, 16> bytes{};
    size_t size = 0;  // 4, 16; 0: not an address
};

Address parse_address(std::string_view text) {
    const std::string name(text.substr(0, text.find('%')));  // without an IPv6 zone
    Address out;
    in6_addr v6{};
    if (::inet_pton(AF_INET, name.c_str(), out.bytes.data()) == 1) {
        out.size = 4;
    } else if (::inet_pton(AF_INET6, name.c_str(), &v6) == 1) {
        const bool mapped = IN6_IS_ADDR_V4MAPPED(&v6);
        out.size = mapped ? 4 : 16;
        std::memcpy(out.bytes.data(), v6.s6_addr + (mapped ? 12 : 0), out.size);
    }
    return out;
}

bool is_loopback(const Address& a) {
    static constexpr std::array<uint8_t, 16> v4{127, 0, 0, 1};
    static constexpr std::array<uint8_t, 16> v6{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    return (a.size == 4 && a.bytes == v4) || (a.size == 16 && a.bytes == v6);
}

bool equal_bits(const Address& a, const Address& b, size_t bits) {
    for (size_t i = 0; i < bits; i++) {
        const auto mask = static_cast<uint8_t>(0x80u >> (i % 8));
        if ((a.bytes[i / 8] & mask) != (b.bytes[i / 8] & mask)) return false;
    }
    return true;
}

// "10.0.0.0/8", "10.0.0.0/255.0.0.0", "2001:db8::/32"
bool network_matches(std::string_view item, const Address& client) {
    const size_t slash = item.find('/');
    const Address network = parse_address(item.substr(0, slash));
    const std::string_view mask_text = item.substr(slash + 1);
    if (network.size == 0 || network.size != client.size) return false;
    unsigned bits = 0;
    const auto [end, error] = std::from_chars(mask_text.data(), mask_text.data() + mask_text.size(), bits);
    if (error == std::errc() && end == mask_text.data() + mask_text.size())
        return bits <= network.size * 8 && equal_bits(network, client, bits);
    const Address mask = parse_address(mask_text);
    if (mask.size != network.size) return false;
    for (size_t i = 0; i < mask.size; i++) {
        if ((network.bytes[i] & mask.bytes[i]) != (client.bytes[i] & mask.bytes[i])) return false;
    }
    return true;
}

class Client {
 public:
    explicit Client(const ClientHost& host) : host_(host), address_(parse_address(host.address)) {
        if (address_.size == 4) {
            char text[INET_ADDRSTRLEN];
            if (::inet_ntop(AF_INET, address_.bytes.data(), text, sizeof text) != nullptr) address_text_ = text;
        } else {
            address_text_ = host.address;
        }
    }
    [[nodiscard]] bool loopback() const { return is_loopback(address_); }

    bool matches(std::string_view item) {
        if (item.empty()) return false;
        if (equal_ignoring_ascii_case(item, "ALL")) return true;
        if (equal_ignoring_ascii_case(item, "LOCAL")) return !name().empty() && name().find('.') == std::string::npos;
        if (item[0] == '@') return in_netgroup(std::string(item.substr(1)));
        if (item[0] == '.') {
            return name().size() > item.size() &&
                   equal_ignoring_ascii_case(std::string_view(name()).substr(name().size() - item.size()), item);
        }
        if (item.find('/') != std::string_view::npos) return network_matches(item, address_);
        if (item.back() == '.') return address_text_.substr(0, item.size()) == item;
        const Address address = parse_address(item);
        if (address.size != 0) return address.size == address_.size && equal_bits(address, address_, address.size * 8);
        return equal_ignoring_ascii_case(item, name());
    }

 private:
    const std::string& name() {
        if (!name_) name_ = host_.name ? host_.name() : "";
        return *name_;
    }
    bool in_netgroup(const std::string& group) {
        return !name().empty() && ::innetgr(group.c_str(), name().c_str(), nullptr, nullptr) == 1;
    }

    const ClientHost& host_;
    Address address_;
    std::string address_text_;
    std::optional<std::string> name_;
};

// In the part before the first EXCEPT and nowhere after it.
bool in_list(const Names& list, Client& client) {
    bool matched = false;
    bool except = false;
    for (const std::string& item : list) {
        if (equal_ignoring_ascii_case(item, "EXCEPT")) {
            if (!matched) return false;
            except = true;
        } else if (except && client.matches(item)) {
            return false;
        } else if (!except && !matched) {
            matched = client.matches(item);
        }
    }
    return matched;
}

}  // namespace

bool host_in_list(const Names& list, const ClientHost& host) {
    Client client(host);
    return in_list(list, client);
}

bool host_allowed(const Names& allow, const Names& deny, const ClientHost& host) {
    if (allow.empty() && deny.empty()) return true;
    Client client(host);
    if (client.loopback()) return !in_list(deny, client) || in_list(allow, client);
    if (deny.empty()) return in_list(allow, client);
    return in_list(allow, client) || !in_list(deny, client);
}

}  // namespace Atoll::conf
