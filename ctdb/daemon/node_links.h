// TCP between the daemons. Each node makes two connections to each other one, on which only it sends: URGENT for keepalives, leases,
// expulsions and views, BULK for everything else, so that no amount of records delays a keepalive. Each starts with a hello. Whoever is
// not in `nodes`, says what cannot be, or sends on a connection what does not belong there, is refused and logged.
//
// Messages of the core may be lost, as it expects. A connection that is lost is made again.
#pragma once

#include <map>
#include <memory>

#include "base/loop/loop.h"
#include "base/unique_fd.h"
#include "ctdb/daemon/settings.h"
#include "ctdb/daemon/statistics.h"
#include "ctdb/protocol/node.idl.h"
#include "ctdb/protocol/packet.h"

namespace Atoll::ctdb {

// What the links tell. All on the loop's thread.
class NodeObserver {
 public:
    virtual ~NodeObserver() = default;
    // From a listed node, in form. False: what it says cannot be; the connection ends.
    virtual bool received(protocol::message message) = 0;
    virtual bool received(Pnn from, const protocol::catalogue& catalogue) = 0;
    virtual bool received(Pnn from, const protocol::ask& ask) = 0;
    virtual bool received(Pnn from, const protocol::answer& answer) = 0;
    virtual bool received(Pnn from, const protocol::ended& ended) = 0;
    virtual bool received(Pnn from, const protocol::connections& list) = 0;
    // The first packet after the hello of each new BULK connection to others.
    virtual protocol::catalogue catalogue() = 0;
    // Another node writes at that format level, which this program does not read.
    virtual void outdated(uint32_t level) = 0;
    // It has a cluster lock and this node has none, or the other way round.
    virtual void disagrees(Pnn pnn, uint64_t incarnation) = 0;
    // What was sent to it on the BULK connection may be lost.
    virtual void disconnected(Pnn pnn) = 0;
};

class NodeLinks {
 public:
    NodeLinks(loop::Loop& loop, const Settings& settings, Statistics& statistics, NodeObserver& observer);
    ~NodeLinks();

    Result<void> start();
    // After a change of Settings::nodes: to who is new there are connections, to who is gone none.
    void relist();
    void send(const protocol::message& message);
    // False: it is not connected.
    template <class Record>
    bool send_bulk(Pnn to, PacketKind kind, const Record& record) {
        Buffer* out = bulk_queue(to);
        if (out == nullptr) return false;
        append_packet(*out, kind, record);
        statistics_.count(&protocol::statistics::node_packets_sent);
        queued(to);
        return true;
    }
    [[nodiscard]] bool connected(Pnn pnn) const;

 private:
    class Outgoing;
    class Incoming;

    Buffer* bulk_queue(Pnn to);
    void queued(Pnn to);
    void accept_all();
    void remove(Incoming& connection);
    void complain(const std::string& address, const std::string& text);

    loop::Loop& loop_;
    const Settings& settings_;
    Statistics& statistics_;
    NodeObserver& observer_;
    UniqueFd listener_;
    std::unique_ptr<loop::FdWatch> watch_;
    std::map<std::pair<Pnn, protocol::connection_kind>, std::unique_ptr<Outgoing>> outgoing_;
    std::map<Incoming*, std::unique_ptr<Incoming>> incoming_;
    std::map<std::string, Monotonic> complained_;
};

// Travels on the URGENT connection.
bool is_urgent(const protocol::message& message);

}  // namespace Atoll::ctdb
