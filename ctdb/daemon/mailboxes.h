// Messages of other nodes' processes to those of this one: each has a connection to the local socket on which it gets them. What is sent
// travels as a client's request to another node (Daemon::forward), so the sender is told what became of it.
#pragma once

#include <map>

#include "ctdb/core/types.h"
#include "ctdb/daemon/client_socket.h"
#include "ctdb/protocol/client.idl.h"

namespace Atoll::ctdb {

class Mailboxes {
 public:
    explicit Mailboxes(ClientSocket& socket) : socket_(socket) {}

    void open(ClientId client, const protocol::request& request);
    void left(ClientId client);

    // SEND_MESSAGE, to a process of this node or to all of a class. NO_SPACE: it reads too slowly.
    protocol::outcome deliver(const protocol::request& request);
    // PROCESS_EXISTS, of a process of this node.
    [[nodiscard]] protocol::outcome find(const protocol::request& request) const;
    [[nodiscard]] bool has(uint64_t pid, uint64_t unique_id) const { return mailboxes_.contains({pid, unique_id}); }
    // Tells the processes of this node which sessions of others have ended since the last call.
    void note_members(const protocol::view& view);
    // Tells them that the format level has risen.
    void note_level();

 private:
    using Process = std::pair<uint64_t, uint64_t>;  // pid and unique id

    protocol::outcome put(ClientId client, const protocol::process_message& message);
    void send(ClientId client, const protocol::delivery& delivery);
    void send_all(const protocol::delivery& delivery);

    ClientSocket& socket_;
    std::map<Process, ClientId> mailboxes_;
    std::map<Pnn, Session> members_;
};

}  // namespace Atoll::ctdb
