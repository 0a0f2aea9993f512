#include "ctdb/core/peers.h"

#include <algorithm>

namespace Atoll::ctdb {

bool Peers::note(Pnn pnn, const protocol::keepalive& keepalive) {
    Peer& peer = peers_[pnn];
    const bool newer = keepalive.incarnation > peer.last.incarnation ||
                       (keepalive.incarnation == peer.last.incarnation && keepalive.sent > peer.last.sent);
    if (peer.known && !newer) return false;
    peer.known = true;
    peer.last = keepalive;
    peer.heard = context_.waited;
    return true;
}

void Peers::ended(Pnn pnn, uint64_t incarnation) {
    Peer& peer = peers_[pnn];
    peer.ended_incarnation = std::max(peer.ended_incarnation, incarnation);
}

const Peer& Peers::of(Pnn pnn) const {
    static const Peer unknown;
    const auto found = peers_.find(pnn);
    return found != peers_.end() ? found->second : unknown;
}

}  // namespace Atoll::ctdb
