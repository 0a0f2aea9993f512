// Who takes a client that has logged on: the process that serves its GUID already, or a new one. In authd only. Main thread only.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "base/guid.h"
#include "base/loop/loop.h"
#include "smbd/server/packet_socket.h"
#include "smbd/server/server.idl.h"
#include "tdb/database.h"
#include "tdb/messaging/messaging.h"

namespace Atoll::server {

class Takers {
 public:
    // `listener` forks; `clients` is smbXsrv_client_global.tdb. All must outlive it.
    Takers(loop::Loop& loop, messaging::Messaging& messaging, PacketSocket& listener, tdb::Database& clients);

    // The process for this client gets `taker`. If none can be had `taker` is closed, which whoever holds its other end sees.
    void give(const verify_request& request, UniqueFd taker);

    void forked_client_ready(const messaging::ServerId& process, const Guid& client_guid);
    void fork_failed(const Guid& client_guid);

 private:
    // A process that has been asked for and cannot be found by its id yet, and what waits for it.
    struct Forking {
        Forking(loop::Loop& loop, std::function<void()> too_late) : timeout(loop, std::move(too_late)) {}
        uint16_t dialect = 0;
        std::string peer_address;
        std::vector<UniqueFd> waiting;
        loop::Timer timeout;
    };

    bool give_to_existing(const Guid& client_guid, int taker);
    void fork(const Guid& client_guid, int taker);
    void enter(const messaging::ServerId& process, const Guid& client_guid, const Forking& forking);

    loop::Loop& loop_;
    messaging::Messaging& messaging_;
    PacketSocket& listener_;
    tdb::Database& clients_;
    std::map<Guid, std::unique_ptr<Forking>> forking_;
};

}  // namespace Atoll::server
