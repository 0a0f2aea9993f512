// A client process's questions to authd about other users. Each blocks until it is answered, for a second at most.
#pragma once

#include <optional>
#include <string>

#include "smbd/accounts/id_cache.h"
#include "smbd/server/packet_socket.h"

namespace Atoll::server {

class IdMapClient {
 public:
    // `path` is authd's socket. Connects when first used, and again when authd has been started again.
    explicit IdMapClient(std::string path) : path_(std::move(path)) {}

    // nullopt: nobody, or authd does not answer.
    std::optional<accounts::IdAnswer> ask(const accounts::IdQuestion& question);

 private:
    std::optional<Packet> exchange(Bytes question);

    std::string path_;
    PacketSocket socket_;
};

}  // namespace Atoll::server
