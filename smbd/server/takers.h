// Who takes a client that has logged on: the process that serves its GUID already, or a spare one, which the listener has forked before
// anybody needed it. In authd only. Main thread only.
#pragma once

#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>

#include "base/buffer.h"
#include "base/guid.h"
#include "base/loop/loop.h"
#include "base/nt_status.h"
#include "base/result.h"
#include "base/time.h"
#include "smbd/server/packet_socket.h"
#include "smbd/server/server.idl.h"
#include "tdb/database.h"
#include "tdb/messaging/messaging.h"
#include "tdb/watch/watches.h"

namespace Atoll::server {

class Takers {
 public:
    // SUCCESS with the end of the hand-over socket that is preauth's, through which the channel follows the grant; else without.
    using Done = std::function<void(NtStatus, PacketSocket giver)>;

    // `listener` forks; `clients` is smbXsrv_client_global.tdb, `sessions` smbXsrv_session_global.tdb. All must outlive it.
    Takers(loop::Loop& loop, messaging::Messaging& messaging, PacketSocket& listener, tdb::Database& clients, tdb::Database& sessions)
        : loop_(loop), messaging_(messaging), listener_(listener), clients_(clients), sessions_(sessions) {}

    // In a cluster, before anybody is given: how it is seen that a client's record changes.
    void watch_by(watch::Watches& watches) { watches_ = &watches; }

    // Finds the client a process, enters it in the client's record, and puts the grant where that process only can read it. `done` is
    // called at once, or when there is a spare, or when a process of another node that served the client has ended its connections;
    // INSUFFICIENT_RESOURCES if there is none to be had, or that process does not.
    void give(const verify_request& request, logon_grant grant, Done done);

    // The way to the process that holds a session, for a channel that is to bind to it. USER_SESSION_DELETED: there is no such session.
    Result<PacketSocket, NtStatus> reach_holder(uint64_t session_id);

    // What the listener tells. A spare is given away once it has said that it is ready: it can then be found by its id.
    void spare_came(const messaging::ServerId& id, PacketSocket socket);
    void no_spare();
    // Spares that are let go of end. Those of a former configuration are.
    void let_go_of_spares() { spares_.clear(); }

 private:
    struct Spare {
        Spare(loop::Loop& loop, const messaging::ServerId& its_id, PacketSocket its_socket, std::function<void()> spoke)
            : id(its_id), socket(std::move(its_socket)), watch(loop, socket.fd(), std::move(spoke)) {}
        messaging::ServerId id;
        PacketSocket socket;
        loop::FdWatch watch;
        bool ready = false;
    };
    struct Logon {
        Guid client_guid;  // zero: the process is to be nobody else's
        uint16_t dialect = 0;
        std::string peer_address;
        Buffer grant;
        Done done;
        Monotonic deadline;  // then preauth asks again
        std::unique_ptr<watch::Watch> watch;  // of moving_
    };

    void serve(Logon logon);
    std::optional<messaging::ServerId> owner_elsewhere(Bytes record) const;
    bool move_here(Logon& logon);
    void moved(std::list<Logon>::iterator moving, watch::Woken why);
    void spare_spoke(std::list<Spare>::iterator spare);
    void serve_waiting();
    PacketSocket find_taker(const Logon& logon);
    PacketSocket give_to_existing(const Logon& logon);
    PacketSocket give_to(const messaging::ServerId& process, PacketKind kind, Bytes first);
    PacketSocket give_to_spare(const Logon& logon);
    void enter(const messaging::ServerId& process, const Logon& logon);

    loop::Loop& loop_;
    messaging::Messaging& messaging_;
    PacketSocket& listener_;
    tdb::Database& clients_;
    tdb::Database& sessions_;
    std::list<Spare> spares_;    // the oldest first
    std::deque<Logon> waiting_;  // for a spare
    std::list<Logon> moving_;    // of clients that another node still serves
    watch::Watches* watches_ = nullptr;
    bool none_to_be_had_ = false;
};

}  // namespace Atoll::server
