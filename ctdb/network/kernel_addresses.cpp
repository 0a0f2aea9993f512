#include "ctdb/network/kernel_addresses.h"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "ctdb/network/netlink.h"

namespace Atoll::ctdb {
namespace {

struct Found {
    ifaddrmsg about{};
    IpAddress address;
};

// IFA_LOCAL is the address itself; IPv6 has it in IFA_ADDRESS.
bool read_address(Bytes body, Found& found) {
    if (body.size() < sizeof found.about) return false;
    std::memcpy(&found.about, body.data(), sizeof found.about);
    found.address = IpAddress();
    found.address.family = found.about.ifa_family;
    if (found.address.family != AF_INET && found.address.family != AF_INET6) return false;
    bool any = false;
    for (size_t at = NLMSG_ALIGN(sizeof found.about); at + sizeof(rtattr) <= body.size();) {
        rtattr attribute{};
        std::memcpy(&attribute, body.data() + at, sizeof attribute);
        if (attribute.rta_len < sizeof attribute || attribute.rta_len > body.size() - at) break;
        const bool local = attribute.rta_type == IFA_LOCAL;
        if ((local || (attribute.rta_type == IFA_ADDRESS && !any)) && attribute.rta_len - RTA_LENGTH(0) == found.address.size()) {
            std::memcpy(found.address.bytes.data(), body.data() + at + RTA_LENGTH(0), found.address.size());
            any = true;
        }
        at += RTA_ALIGN(attribute.rta_len);
    }
    return any;
}

Result<std::vector<Found>> find(Netlink& kernel, std::span<const IpAddress> wanted) {
    std::vector<Found> all;
    const ifaddrmsg any{};
    auto listed = kernel.dump(RTM_GETADDR, Bytes(reinterpret_cast<const uint8_t*>(&any), sizeof any), [&](const nlmsghdr&, Bytes body) {
        Found found;
        if (read_address(body, found) && std::find(wanted.begin(), wanted.end(), found.address) != wanted.end()) all.push_back(found);
    });
    if (!listed) return fail_errno(listed.error(), "netlink", "cannot list the addresses");
    return all;
}

}  // namespace

Result<std::vector<IpAddress>> addresses_up(std::span<const IpAddress> wanted) {
    auto kernel = Netlink::open(NETLINK_ROUTE);
    if (!kernel) return kernel.failure();
    auto found = find(*kernel, wanted);
    if (!found) return found.failure();
    std::vector<IpAddress> up;
    for (const Found& one : *found) up.push_back(one.address);
    return up;
}

Result<void> remove_addresses(std::span<const IpAddress> unwanted) {
    if (unwanted.empty()) return {};
    auto kernel = Netlink::open(NETLINK_ROUTE);
    if (!kernel) return kernel.failure();
    auto found = find(*kernel, unwanted);
    if (!found) return found.failure();
    Result<void> result;
    for (const Found& one : *found) {
        std::vector<uint8_t> body(NLMSG_ALIGN(sizeof one.about) + RTA_SPACE(one.address.size()));
        std::memcpy(body.data(), &one.about, sizeof one.about);
        rtattr attribute{};
        attribute.rta_type = IFA_LOCAL;
        attribute.rta_len = static_cast<uint16_t>(RTA_LENGTH(one.address.size()));
        std::memcpy(body.data() + NLMSG_ALIGN(sizeof one.about), &attribute, sizeof attribute);
        std::memcpy(body.data() + NLMSG_ALIGN(sizeof one.about) + RTA_LENGTH(0), one.address.bytes.data(), one.address.size());
        auto removed = kernel->request(RTM_DELADDR, 0, body);
        if (!removed && removed.error() != EADDRNOTAVAIL) result = fail_errno(removed.error(), text_of(one.address), "cannot be removed");
    }
    return result;
}

}  // namespace Atoll::ctdb
