// The local socket: SOCK_SEQPACKET, each packet a request or reply of client.idl. Any process may connect; who is neither root nor the
// daemon's user is refused and logged.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>

#include "base/loop/loop.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "ctdb/daemon/statistics.h"
#include "ctdb/protocol/client.idl.h"

namespace Atoll::ctdb {

using ClientId = uint64_t;  // of a connection; never used again

class ClientObserver {
 public:
    virtual ~ClientObserver() = default;
    virtual void requested(ClientId client, const protocol::request& request) = 0;
    virtual void client_left(ClientId client) = 0;
};

class ClientSocket {
 public:
    ClientSocket(loop::Loop& loop, Statistics& statistics, ClientObserver& observer);
    ~ClientSocket();

    Result<void> listen(const std::string& path);
    // To a client that has left it goes nowhere.
    void reply(ClientId client, const protocol::reply& reply);
    // Of the process that connected; 0: it has left.
    [[nodiscard]] pid_t process_of(ClientId client) const;
    // Some client is that process.
    [[nodiscard]] bool has_process(pid_t process) const;
    // Replies that it has not taken.
    [[nodiscard]] size_t waiting(ClientId client) const;
    [[nodiscard]] size_t clients() const { return connections_.size(); }
    // Once what has come is handled; the observer hears of it.
    void disconnect(ClientId client);

 private:
    class Connection;

    void accept_all();
    void remove(ClientId client);

    loop::Loop& loop_;
    Statistics& statistics_;
    ClientObserver& observer_;
    std::string path_;
    UniqueFd listener_;
    std::unique_ptr<loop::FdWatch> watch_;
    std::map<ClientId, std::unique_ptr<Connection>> connections_;
    ClientId last_ = 0;
};

}  // namespace Atoll::ctdb
