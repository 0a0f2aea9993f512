#include "ctdb/network/netlink.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace Atoll::ctdb {
namespace {

constexpr size_t largest_answer = size_t{64} << 10;  // more than the kernel puts into one datagram
constexpr timeval patience{2, 0};

}  // namespace

Result<Netlink> Netlink::open(int protocol) {
    UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
    if (!fd) return fail_errno(errno, "netlink", "cannot make a socket");
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return Netlink(std::move(fd));
}

Result<void, int> Netlink::dump(uint16_t type, Bytes body, const Message& take) {
    return exchange(type, NLM_F_REQUEST | NLM_F_DUMP, body, take);
}

Result<void, int> Netlink::request(uint16_t type, uint16_t flags, Bytes body) {
    return exchange(type, static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags), body, {});
}

Result<void, int> Netlink::exchange(uint16_t type, uint16_t flags, Bytes body, const Message& take) {
    std::vector<uint8_t> packet(NLMSG_HDRLEN + body.size());
    nlmsghdr header{};
    header.nlmsg_len = static_cast<uint32_t>(packet.size());
    header.nlmsg_type = type;
    header.nlmsg_flags = flags;
    header.nlmsg_seq = ++last_;
    std::memcpy(packet.data(), &header, sizeof header);
    if (!body.empty()) std::memcpy(packet.data() + NLMSG_HDRLEN, body.data(), body.size());
    if (::send(fd_.get(), packet.data(), packet.size(), 0) < 0) return errno;
    std::vector<uint8_t> answer(largest_answer);
    for (;;) {
        const ssize_t size = ::recv(fd_.get(), answer.data(), answer.size(), 0);
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) return size == 0 ? EIO : errno;
        for (size_t at = 0; at + NLMSG_HDRLEN <= static_cast<size_t>(size);) {
            nlmsghdr got{};
            std::memcpy(&got, answer.data() + at, sizeof got);
            if (got.nlmsg_len < NLMSG_HDRLEN || got.nlmsg_len > static_cast<size_t>(size) - at) break;
            const Bytes inside(answer.data() + at + NLMSG_HDRLEN, got.nlmsg_len - NLMSG_HDRLEN);
            at += NLMSG_ALIGN(got.nlmsg_len);
            if (got.nlmsg_seq != last_) continue;
            if (got.nlmsg_type == NLMSG_DONE) return {};
            if (got.nlmsg_type == NLMSG_ERROR) {
                int error = 0;
                if (inside.size() >= sizeof error) std::memcpy(&error, inside.data(), sizeof error);
                if (error == 0) return {};
                return -error;
            }
            if (take) take(got, inside);
        }
    }
}

}  // namespace Atoll::ctdb
