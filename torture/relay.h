// Between a client and the server: what it can do that a server's end does not, is to fall silent without a word to the client.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "base/loop/loop.h"
#include "base/unique_fd.h"

namespace Atoll::torture {

// Listens at 127.0.0.1; works while the loop runs. No more is under way than sockets take, which is enough for a few requests.
class Relay {
 public:
    Relay(loop::Loop& loop, std::string host, uint16_t port);
    ~Relay();

    [[nodiscard]] uint16_t port() const { return port_; }
    // The server sees the end of what is connected now; the client sees nothing, and is told nothing any more. Later connections are served.
    void fall_silent();

 private:
    struct Pair;
    void take();

    loop::Loop& loop_;
    const std::string host_;
    const uint16_t server_port_;
    UniqueFd socket_;
    uint16_t port_ = 0;
    std::unique_ptr<loop::FdWatch> watch_;
    std::list<Pair> pairs_;
};

}  // namespace Atoll::torture
