#include "torture/relay.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "base/assert.h"

namespace Atoll::torture {
namespace {

UniqueFd dial(const std::string& host, uint16_t port) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return UniqueFd();
    UniqueFd out;
    for (const addrinfo* one = found; one != nullptr && !out; one = one->ai_next) {
        UniqueFd fd(::socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (fd && ::connect(fd.get(), one->ai_addr, one->ai_addrlen) == 0) out = std::move(fd);
    }
    ::freeaddrinfo(found);
    return out;
}

// False: there is nothing more to come.
bool pass_on(const UniqueFd& from, const UniqueFd& to) {
    std::array<char, 65536> some{};
    const ssize_t size = ::recv(from.get(), some.data(), some.size(), MSG_DONTWAIT);
    return size > 0 && ::send(to.get(), some.data(), static_cast<size_t>(size), MSG_NOSIGNAL) == size;
}

}  // namespace

struct Relay::Pair {
    Pair(loop::Loop& loop, UniqueFd client_end, UniqueFd server_end)
        : client(std::move(client_end)),
          server(std::move(server_end)),
          from_client(loop, client.get(), [this] { pass(client, server); }),
          from_server(loop, server.get(), [this] { pass(server, client); }) {
        listen(true);
    }
    void listen(bool whether) {
        from_client.watch_read(whether);
        from_server.watch_read(whether);
    }
    // One side's end is the other's.
    void pass(const UniqueFd& from, const UniqueFd& to) {
        if (pass_on(from, to)) return;
        listen(false);
        ::shutdown(to.get(), SHUT_RDWR);
    }

    UniqueFd client, server;
    loop::FdWatch from_client, from_server;
};

Relay::Relay(loop::Loop& loop, std::string host, uint16_t port)
    : loop_(loop), host_(std::move(host)), server_port_(port), socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ATOLL_ASSERT(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    ATOLL_ASSERT(::listen(socket_.get(), SOMAXCONN) == 0);
    ATOLL_ASSERT(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    watch_ = std::make_unique<loop::FdWatch>(loop_, socket_.get(), [this] { take(); });
    watch_->watch_read(true);
}

Relay::~Relay() = default;

void Relay::take() {
    UniqueFd client(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    UniqueFd server = dial(host_, server_port_);
    if (client && server) pairs_.emplace_back(loop_, std::move(client), std::move(server));
}

void Relay::fall_silent() {
    for (Pair& pair : pairs_) {
        pair.listen(false);
        ::shutdown(pair.server.get(), SHUT_RDWR);
    }
}

}  // namespace Atoll::torture
