// Whose disks have every committed transaction, as the view says.
#include <algorithm>
#include <functional>

#include "ctdb/core/leadership.h"

namespace Atoll::ctdb {
namespace {

bool same_sessions(const protocol::view& a, const protocol::view& b) {
    return std::equal(a.members.begin(), a.members.end(), b.members.begin(), b.members.end(),
                      [](const auto& x, const auto& y) { return x.pnn == y.pnn && x.session == y.session; });
}

bool contains(const std::vector<uint32_t>& nodes, Pnn pnn) { return std::find(nodes.begin(), nodes.end(), pnn) != nodes.end(); }

}  // namespace

// With other members what is committed from now on is on other disks: whoever is not a member misses it, and is not synced any more. If no
// synced node is a member, the databases stay closed until one comes back. A node that is not listed does not come back, and is forgotten
// if another one has everything; if none has, it may have been taken from the list too early, and what it has is not given up for that.
void Leadership::place_persistent(protocol::view& view) const {
    protocol::persistence& persistent = view.persistent;
    std::vector<Pnn> members;
    for (const protocol::member& member : view.members) members.push_back(member.pnn);
    if (same_sessions(view, current_) && persistent.epoch != 0) {
        const Peer& coordinator = peers_.of(persistent.coordinator);
        const bool all_have_it = find_session(view, persistent.coordinator, coordinator.last.session) != nullptr &&
                                 coordinator.last.persisted == persistent.epoch;
        if (!all_have_it || persistent.synced == members) return;
        context_.took(Transition::persistent_synced);
        persistent.synced = members;
        return;
    }
    persistent.epoch = view.id;
    const auto listed = [&](Pnn pnn) { return std::binary_search(context_.config.nodes.begin(), context_.config.nodes.end(), pnn); };
    if (std::any_of(persistent.synced.begin(), persistent.synced.end(), listed)) std::erase_if(persistent.synced, std::not_fn(listed));
    std::vector<Pnn> left;
    for (const Pnn pnn : members) {
        if (persistent.synced.empty() || contains(persistent.synced, pnn) || context_.planted(Planted::trusts_stale_disk))
            left.push_back(pnn);
    }
    persistent.coordinator = no_node;
    if (left.empty()) {
        context_.took(Transition::persistent_orphaned);
        return;
    }
    persistent.synced = left;
    persistent.coordinator = left.front();
    for (const Pnn pnn : left) {
        if (find_member(view, pnn)->leaving) continue;
        persistent.coordinator = pnn;
        break;
    }
}

// The only one, of those that stay, that has every committed transaction does not go before another has them.
bool Leadership::last_synced(const protocol::member& member) const {
    if (!contains(current_.persistent.synced, member.pnn)) return false;
    bool stays = false;
    for (const protocol::member& other : current_.members) {
        if (other.leaving) continue;
        if (contains(current_.persistent.synced, other.pnn)) return false;
        stays = true;
    }
    return stays;
}

}  // namespace Atoll::ctdb
