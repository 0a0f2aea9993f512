#include "ctdb/daemon/sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace Atoll::ctdb {
namespace {

constexpr int backlog = 128;
constexpr int urgent_priority = 6;         // SO_PRIORITY: interactive
constexpr unsigned unacknowledged = 3000;  // milliseconds after which a connection is given up

struct Address {
    sockaddr_storage storage{};
    socklen_t size = 0;

    [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
    [[nodiscard]] int family() const { return storage.ss_family; }
};

Address address_of(const std::string& text, uint16_t port) {
    Address address;
    sockaddr_in four{};
    sockaddr_in6 six{};
    if (::inet_pton(AF_INET, text.c_str(), &four.sin_addr) == 1) {
        four.sin_family = AF_INET;
        four.sin_port = htons(port);
        std::memcpy(&address.storage, &four, sizeof four);
        address.size = sizeof four;
    } else if (::inet_pton(AF_INET6, text.c_str(), &six.sin6_addr) == 1) {
        six.sin6_family = AF_INET6;
        six.sin6_port = htons(port);
        std::memcpy(&address.storage, &six, sizeof six);
        address.size = sizeof six;
    }
    return address;
}

void set_option(int fd, int level, int option, int value) { (void)::setsockopt(fd, level, option, &value, sizeof value); }

}  // namespace

bool is_local_address(const std::string& text) {
    const Address address = address_of(text, 0);
    const UniqueFd fd(::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    return fd && ::bind(fd.get(), address.get(), address.size) == 0;
}

Result<UniqueFd> listen_at(const std::string& text, uint16_t port) {
    const Address address = address_of(text, port);
    UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return fail_errno(errno, text, "cannot make a socket");
    set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (::bind(fd.get(), address.get(), address.size) != 0) return fail_errno(errno, text, "cannot bind to port " + std::to_string(port));
    if (::listen(fd.get(), backlog) != 0) return fail_errno(errno, text, "cannot listen");
    return fd;
}

Result<UniqueFd> start_connecting(const std::string& own, const std::string& to, uint16_t port, protocol::connection_kind kind) {
    const Address from = address_of(own, 0);
    const Address address = address_of(to, port);
    UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return fail_errno(errno, to, "cannot make a socket");
    set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, unacknowledged);
    if (kind == protocol::connection_kind::URGENT) set_option(fd.get(), SOL_SOCKET, SO_PRIORITY, urgent_priority);
    if (::bind(fd.get(), from.get(), from.size) != 0) return fail_errno(errno, own, "cannot bind");
    if (::connect(fd.get(), address.get(), address.size) != 0 && errno != EINPROGRESS) return fail_errno(errno, to, "cannot connect");
    return fd;
}

std::string peer_address(int fd) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return "";
    const void* bytes = storage.ss_family == AF_INET ? static_cast<const void*>(&reinterpret_cast<sockaddr_in*>(&storage)->sin_addr)
                                                     : static_cast<const void*>(&reinterpret_cast<sockaddr_in6*>(&storage)->sin6_addr);
    return ::inet_ntop(storage.ss_family, bytes, text.data(), text.size()) != nullptr ? text.data() : "";
}

}  // namespace Atoll::ctdb
