#include "ctdb/network/kernel_connections.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>

#include "ctdb/network/netlink.h"

namespace Atoll::ctdb {
namespace {

constexpr uint32_t established = 1, listening = 10;  // of tcp_states.h

Bytes bytes_of(const inet_diag_req_v2& request) { return {reinterpret_cast<const uint8_t*>(&request), sizeof request}; }

IpAddress address_from(uint8_t family, const uint32_t* words) {
    IpAddress address;
    address.family = family;
    std::memcpy(address.bytes.data(), words, address.size());
    constexpr uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    if (family != AF_INET6 || std::memcmp(address.bytes.data(), mapped, sizeof mapped) != 0) return address;
    IpAddress four;  // a connection over IPv4 of a socket that has both
    four.family = AF_INET;
    std::memcpy(four.bytes.data(), address.bytes.data() + sizeof mapped, 4);
    return four;
}

using Take = std::function<void(const inet_diag_msg& about, const Connection& connection)>;

Result<void, int> each_connection(Netlink& kernel, uint32_t states, const Take& take) {
    for (const uint8_t family : {uint8_t{AF_INET}, uint8_t{AF_INET6}}) {
        inet_diag_req_v2 request{};
        request.sdiag_family = family;
        request.sdiag_protocol = IPPROTO_TCP;
        request.idiag_states = states;
        auto listed = kernel.dump(SOCK_DIAG_BY_FAMILY, bytes_of(request), [&](const nlmsghdr&, Bytes body) {
            inet_diag_msg about{};
            if (body.size() < sizeof about) return;
            std::memcpy(&about, body.data(), sizeof about);
            take(about, {{address_from(about.idiag_family, about.id.idiag_src), ntohs(about.id.idiag_sport)},
                         {address_from(about.idiag_family, about.id.idiag_dst), ntohs(about.id.idiag_dport)}});
        });
        if (!listed) return listed;
    }
    return {};
}

}  // namespace

Result<std::vector<Connection>> established_at(std::span<const IpAddress> addresses, size_t most) {
    auto kernel = Netlink::open(NETLINK_SOCK_DIAG);
    if (!kernel) return kernel.failure();
    std::vector<Connection> found;
    auto listed = each_connection(*kernel, 1U << established, [&](const inet_diag_msg&, const Connection& connection) {
        const bool wanted = std::find(addresses.begin(), addresses.end(), connection.server.address) != addresses.end();
        if (wanted && found.size() < most) found.push_back(connection);
    });
    if (!listed) return fail_errno(listed.error(), "sock_diag", "cannot list connections");
    return found;
}

Result<void> reset_connections_at(const IpAddress& address) {
    auto kernel = Netlink::open(NETLINK_SOCK_DIAG);
    if (!kernel) return kernel.failure();
    std::vector<inet_diag_req_v2> ends;
    auto listed = each_connection(*kernel, ~(1U << listening), [&](const inet_diag_msg& about, const Connection& connection) {
        if (connection.server.address != address) return;
        inet_diag_req_v2 request{};
        request.sdiag_family = about.idiag_family;
        request.sdiag_protocol = IPPROTO_TCP;
        request.idiag_states = ~0U;
        request.id = about.id;
        ends.push_back(request);
    });
    if (!listed) return fail_errno(listed.error(), "sock_diag", "cannot list connections");
    for (const inet_diag_req_v2& request : ends) {
        auto ended = kernel->request(SOCK_DESTROY, 0, bytes_of(request));
        if (!ended && ended.error() == EOPNOTSUPP) return fail(Code::unsupported, "sock_diag", "the kernel cannot end connections");
    }
    return {};
}

}  // namespace Atoll::ctdb
