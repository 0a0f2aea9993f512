// Which clients are connected to which public address: found out among this node's connections, told to all nodes before it is needed, and
// used by the node that takes the address of a lost one, to make those clients notice.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <span>

#include "base/loop/loop.h"
#include "ctdb/core/types.h"
#include "ctdb/daemon/tunables.h"
#include "ctdb/network/ip_address.h"
#include "ctdb/protocol/node.idl.h"

namespace Atoll::ctdb {

class Tickles {
 public:
    using Tell = std::function<void(const protocol::connections& list)>;  // to all other nodes

    Tickles(loop::Loop& loop, const Tunables& tunables, Tell tell);

    // The addresses that this node serves: their connections are watched.
    void serve(const IpAddress& address, bool on);
    // This node has taken it: the clients that others knew of are tickled, three times.
    void taken(const IpAddress& address);
    // The addresses have new places: what nodes say that do not hold them any more is void, except where this node has yet to take one.
    // `holder_of`: no_node if nobody has it.
    void placed(Pnn me, const std::function<Pnn(const IpAddress&)>& holder_of);
    // By an administrator or a server.
    void add(const Connection& connection);
    void remove(const Connection& connection);
    [[nodiscard]] std::vector<Connection> at(const IpAddress& address) const;

    // False: it is malformed.
    bool received(Pnn from, const protocol::connections& list);

 private:
    using List = std::set<Connection>;
    struct Own {
        List found;
        List added;
        List told;
        bool served = false;
    };
    struct Round {
        std::vector<Connection> connections;
        int left = 0;
    };

    void scan();
    void tell(const IpAddress& address, Own& own);
    void tickle_again();
    [[nodiscard]] size_t count() const;

    const Tunables& tunables_;
    Tell tell_;
    std::map<IpAddress, Own> own_;
    std::map<Pnn, std::map<IpAddress, List>> others_;
    std::vector<Round> rounds_;
    Monotonic told_all_{};
    loop::Timer scanner_;
    loop::Timer again_;
};

}  // namespace Atoll::ctdb
