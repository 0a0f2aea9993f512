// What a node has heard of each listed node, itself among them.
#pragma once

#include <map>

#include "ctdb/core/context.h"

namespace Atoll::ctdb {

struct Peer {
    bool known = false;              // `last` is there
    protocol::keepalive last;        // the newest by incarnation and sending time
    Time heard = 0;                  // Context::waited when it came
    uint64_t ended_incarnation = 0;  // up to which its supervisor says that nothing of it serves
};

class Peers {
 public:
    explicit Peers(Context& context) : context_(context) {}

    // false: an older one than the last, which says nothing.
    bool note(Pnn pnn, const protocol::keepalive& keepalive);
    void ended(Pnn pnn, uint64_t incarnation);
    // From now on its silence counts: it has become a member.
    void expect(Pnn pnn) { peers_[pnn].heard = std::max(peers_[pnn].heard, context_.waited); }
    [[nodiscard]] bool silent(Pnn pnn) const { return context_.waited - of(pnn).heard > context_.config.dead_after; }
    // Its last incarnation that was heard of has ended.
    [[nodiscard]] bool gone(Pnn pnn) const { return of(pnn).known && of(pnn).ended_incarnation >= of(pnn).last.incarnation; }
    [[nodiscard]] const Peer& of(Pnn pnn) const;

 private:
    Context& context_;
    std::map<Pnn, Peer> peers_;
};

}  // namespace Atoll::ctdb
