#include "smbd/server/packet_socket.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/log.h"

namespace Atoll::server {

namespace {

constexpr size_t head_size = 4;  // the kind
constexpr size_t max_descriptors = 2;

struct Control {
    alignas(cmsghdr) char bytes[CMSG_SPACE(max_descriptors * sizeof(int))];
};

// One for the whole process: what was received is used before anything else is.
Buffer& receive_buffer() {
    static Buffer buffer;
    if (buffer.empty()) buffer.resize(limits::max_packet);
    return buffer;
}

void detach(msghdr& message, std::vector<UniqueFd>& out) {
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; ++i) {
            int fd;
            std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
            out.emplace_back(fd);
        }
    }
}

}  // namespace

PacketSocket PacketSocket::fresh(UniqueFd fd) {
    const int buffer = 2 * static_cast<int>(limits::max_packet);
    (void)setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    return PacketSocket(std::move(fd));
}

Result<std::pair<PacketSocket, PacketSocket>> PacketSocket::make_pair() {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) {
        return fail_errno(errno, "socketpair", "cannot connect two processes");
    }
    return std::make_pair(fresh(UniqueFd(fds[0])), fresh(UniqueFd(fds[1])));
}

Result<void> PacketSocket::send(PacketKind kind, Bytes payload, std::span<const int> descriptors) {
    ATOLL_ASSERT(descriptors.size() <= max_descriptors);
    uint8_t head[head_size];
    store_le(head, static_cast<uint32_t>(kind));
    iovec parts[2] = {{head, sizeof head}, {const_cast<uint8_t*>(payload.data()), payload.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    Control control;
    if (!descriptors.empty()) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
        cmsghdr* c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(descriptors.size_bytes());
        std::memcpy(CMSG_DATA(c), descriptors.data(), descriptors.size_bytes());
    }
    if (sendmsg(fd_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return {};
    if (errno == EAGAIN) return fail(Code::busy, "packet", "the other process does not read");
    if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN) return fail(Code::dead, "packet", "the other process has ended");
    return fail_errno(errno, "packet", "cannot send");
}

PacketSocket::Received PacketSocket::receive(Packet& packet) {
    Buffer& buffer = receive_buffer();
    packet.descriptors.clear();
    for (;;) {
        iovec part{buffer.data(), buffer.size()};
        Control control;
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        const ssize_t n = recvmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return Received::nothing;
        if (n <= 0) return Received::ended;
        detach(message, packet.descriptors);
        if (n < static_cast<ssize_t>(head_size) || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) return Received::ended;
        packet.kind = static_cast<PacketKind>(load_le<uint32_t>(buffer.data()));
        packet.payload = buffer.bytes().subspan(head_size, static_cast<size_t>(n) - head_size);
        return Received::packet;
    }
}

}  // namespace Atoll::server
