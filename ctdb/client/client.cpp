#include "ctdb/client/client.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/loop/socket_path.h"
#include "base/time.h"
#include "idl/level.h"

namespace Atoll::ctdb {
namespace {

constexpr const char* where = "ctdbd";

bool wait_for(int fd, short what, Monotonic deadline) {
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - monotonic_now());
        if (left.count() <= 0) return false;
        pollfd ready{fd, what, 0};
        if (::poll(&ready, 1, static_cast<int>(left.count())) > 0) return true;
    }
}

}  // namespace

Result<DaemonConnection> DaemonConnection::connect(const std::string& socket_path) {
    auto fd = loop::connect_to_path(socket_path);
    if (!fd) return fd.failure();
    return DaemonConnection(std::move(*fd));
}

Result<void> DaemonConnection::send(const protocol::request& request, Monotonic deadline) {
    packet_.clear();
    encode(request, packet_, idl::written_level());
    if (!wait_for(fd_.get(), POLLOUT, deadline)) return fail(Code::busy, where, "does not answer");
    if (::send(fd_.get(), packet_.data(), packet_.size(), MSG_NOSIGNAL) < 0) return fail(Code::dead, where, "the connection has ended");
    return {};
}

Result<void> DaemonConnection::tell(protocol::request& request, std::chrono::milliseconds patience) {
    request.number = 0;
    return send(request, monotonic_now() + patience);
}

Result<protocol::reply> DaemonConnection::call(protocol::request& request, std::chrono::milliseconds patience) {
    const Monotonic deadline = monotonic_now() + patience;
    request.number = ++last_;
    if (auto sent = send(request, deadline); !sent) return sent.failure();
    for (;;) {
        if (!wait_for(fd_.get(), POLLIN, deadline)) return fail(Code::busy, where, "does not answer");
        packet_.resize(protocol::MAX_REQUEST);
        const ssize_t size = ::recv(fd_.get(), packet_.data(), packet_.size(), MSG_DONTWAIT);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (size <= 0) return fail(Code::dead, where, "the connection has ended");
        protocol::reply reply;
        if (auto read = decode(Bytes(packet_.data(), static_cast<size_t>(size)), reply); !read) return read.failure();
        if (reply.number == request.number) return reply;
    }
}

Result<protocol::registration> DaemonConnection::enrol(std::chrono::milliseconds patience) {
    protocol::request request;
    request.node = protocol::NO_NODE;
    request.op = protocol::operation::REGISTER;
    request.seconds = idl::newest_known_level();
    const auto reply = call(request, patience);
    if (!reply) return reply.failure();
    if (reply->result == protocol::outcome::TOO_OLD) return fail(Code::unsupported, where, "does not take this process: " + reply->text);
    if (reply->result != protocol::outcome::DONE) return fail(Code::denied, where, "does not take this process: " + reply->text);
    return idl::decode<protocol::registration>(Bytes(reply->data));
}

Result<bool> DaemonConnection::try_send(protocol::request& request) {
    request.number = last_ + 1;
    packet_.clear();
    encode(request, packet_, idl::written_level());
    for (;;) {
        if (::send(fd_.get(), packet_.data(), packet_.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) break;
        if (errno == EAGAIN) return false;
        if (errno != EINTR) return fail(Code::dead, where, "the connection has ended");
    }
    last_++;
    return true;
}

Result<std::optional<protocol::reply>> DaemonConnection::try_receive() {
    std::optional<protocol::reply> out;
    packet_.resize(protocol::MAX_REQUEST);
    const ssize_t size = ::recv(fd_.get(), packet_.data(), packet_.size(), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return out;
    if (size <= 0) return fail(Code::dead, where, "the connection has ended");
    if (auto read = decode(Bytes(packet_.data(), static_cast<size_t>(size)), out.emplace()); !read) return read.failure();
    return out;
}

}  // namespace Atoll::ctdb
