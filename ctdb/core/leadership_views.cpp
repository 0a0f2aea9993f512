// How the leader finds the next view: who is left out, who is let in, and where slots and addresses go.
#include <algorithm>
#include <set>

#include "ctdb/core/leadership.h"
#include "ctdb/core/placement.h"

namespace Atoll::ctdb {

// Says for each member whether it goes on getting leases.
void Leadership::judge() {
    const Pnn deaf = deafest();
    for (const protocol::member& member : current_.members) {
        Standing& standing = standings_[member.pnn];
        standing.excluding = member.pnn != context_.config.me && exclude(member, deaf);
    }
}

bool Leadership::exclude(const protocol::member& member, Pnn deaf) {
    if (peers_.silent(member.pnn)) {
        context_.took(Transition::member_silent);
        return true;
    }
    if (member.pnn == deaf) {
        context_.took(Transition::member_deaf);
        return true;
    }
    if (!member.leaving || !settled() || last_synced(member)) return false;
    context_.took(Transition::member_let_go);
    return true;
}

// Members that do not hear each other cannot go on together: the one with the most such pairs goes. no_node if all hear each other, or if
// some member is silent altogether, which explains it.
Pnn Leadership::deafest() const {
    std::map<Pnn, size_t> pairs;
    for (const protocol::member& member : current_.members) {
        if (member.pnn != context_.config.me && peers_.silent(member.pnn)) return no_node;
        const protocol::keepalive& last = peers_.of(member.pnn).last;
        if (last.view != current_.id) continue;
        for (const Pnn other : last.unheard) {
            if (find_member(current_, other) == nullptr) continue;
            pairs[member.pnn]++;
            pairs[other]++;
        }
    }
    pairs.erase(context_.config.me);
    Pnn worst = no_node;
    for (const auto& [pnn, count] : pairs) {
        if (worst == no_node || count >= pairs[worst]) worst = pnn;
    }
    return worst;
}

// Nothing of this session serves any more, for sure.
bool Leadership::gone(const protocol::member& member) {
    const Peer& peer = peers_.of(member.pnn);
    if (peer.ended_incarnation >= member.incarnation) {
        context_.took(Transition::member_ended);
        return true;
    }
    if (peer.last.incarnation > member.incarnation) {
        context_.took(Transition::member_replaced);
        return true;
    }
    const Standing& standing = standings_[member.pnn];
    if (!standing.excluding || (context_.waited < standing.granted_until && !context_.planted(Planted::impatient_leader))) return false;
    context_.took(Transition::member_dropped);
    if (!member.leaving) blame(member.pnn);
    return true;
}

void Leadership::blame(Pnn pnn) {
    Standing& standing = standings_[pnn];
    for (; standing.blame > 0 && context_.waited - standing.blamed >= context_.config.blame_half_life; standing.blame /= 2)
        standing.blamed += context_.config.blame_half_life;
    standing.blamed = context_.waited;
    if (!context_.policy.bans || ++standing.blame < context_.config.blame_limit) return;
    context_.took(Transition::member_banned);
    standing.blame = 0;
    standing.banned_until = context_.waited + context_.policy.ban;
}

void Leadership::pardon(Pnn pnn) {
    const auto found = standings_.find(pnn);
    if (found == standings_.end()) return;
    found->second.blame = 0;
    found->second.banned_until = 0;
}

protocol::view Leadership::next_view() {
    protocol::view next = current_;
    next.id = std::max(current_.id, term_ << 32) + 1;
    next.level = next_level();
    next.members = next_members(next);
    place_slots(next);
    place_addresses(next);
    place_persistent(next);
    return next;
}

// What nodes write at that were members before: of more than the register says, if that has been lost.
uint32_t Leadership::level_written() const {
    uint32_t level = current_.level;
    for (const Pnn pnn : context_.config.nodes) {
        const uint32_t written = peers_.of(pnn).last.level;
        if (written <= context_.config.newest_level) level = std::max(level, written);
    }
    return level;
}

// It never falls, and rises when every listed node, and every member that other lists had, is there and reads the next: one that is away
// may come back as it was.
uint32_t Leadership::next_level() const {
    const uint32_t written = level_written();
    uint32_t common = context_.config.newest_level;
    std::set<Pnn> nodes(context_.config.nodes.begin(), context_.config.nodes.end());
    for (const protocol::member& member : current_.members) nodes.insert(member.pnn);
    if (context_.planted(Planted::raises_level_early)) nodes.clear();
    for (const Pnn pnn : nodes) {
        const Peer& peer = peers_.of(pnn);
        if (!peer.known || peers_.silent(pnn)) return written;
        common = std::min(common, peer.last.newest_level);
    }
    if (common <= written) return written;
    context_.took(Transition::level_raised);
    return common;
}

// It reads what the others write, and they what it writes.
bool Leadership::fits(const protocol::keepalive& last, uint32_t level) const {
    if (last.newest_level < level) context_.took(Transition::member_too_old);
    return last.newest_level >= level && last.level <= level;
}

std::vector<protocol::member> Leadership::next_members(const protocol::view& next) {
    std::vector<protocol::member> members;
    for (const protocol::member& member : current_.members) {
        if (gone(member)) continue;
        members.push_back(member);
        const Peer& peer = peers_.of(member.pnn);
        if (peer.last.session != member.session) continue;
        members.back().flags = peer.last.flags;
        members.back().leaving = any(peer.last.flags & (node_flags::NODE_STOPPED | node_flags::NODE_BANNED));
    }
    add_members(members, next);
    return members;
}

void Leadership::add_members(std::vector<protocol::member>& members, const protocol::view& next) {
    for (const Pnn pnn : context_.config.nodes) {
        const auto at = std::lower_bound(members.begin(), members.end(), pnn, [](const protocol::member& m, Pnn p) { return m.pnn < p; });
        if (at != members.end() && at->pnn == pnn) continue;
        const Peer& peer = peers_.of(pnn);
        if (!peer.known || peers_.silent(pnn) || peer.last.session != 0 || peer.ended_incarnation >= peer.last.incarnation) continue;
        if (!peer.last.addresses.empty()) continue;  // of its last session: others may have them by now
        if (any(peer.last.flags & (node_flags::NODE_STOPPED | node_flags::NODE_BANNED)) || standings_[pnn].banned_until > context_.waited)
            continue;
        if (!fits(peer.last, next.level)) continue;
        context_.took(Transition::member_added);
        protocol::member added;
        added.pnn = pnn;
        added.incarnation = peer.last.incarnation;
        added.session = next.id;
        added.flags = peer.last.flags;
        members.insert(at, added);
        standings_[pnn].granted_until = 0;
    }
}

void Leadership::place_slots(protocol::view& view) const {
    std::vector<Pnn> staying, nodes;
    for (const protocol::member& member : view.members) {
        if (member.leaving) continue;
        staying.push_back(member.pnn);
        if (!any(member.flags & node_flags::NODE_NO_SLOTS)) nodes.push_back(member.pnn);
    }
    if (nodes.empty()) nodes = staying;
    const std::vector<Pnn> before = std::exchange(view.locators, place(view.locators, nodes));
    for (size_t slot = 0; slot < before.size(); slot++) {
        if (view.locators[slot] != before[slot] || recover_all_) view.located_since[slot] = view.id;
    }
}

// All that some member can hold, and those that some node may still have up.
void Leadership::list_addresses(protocol::view& view) const {
    std::map<AddressId, protocol::address> listed;
    for (const protocol::address& address : view.addresses) {
        if (address.holder != no_node || address.former != no_node) listed[address.id] = address;
    }
    for (const protocol::member& member : view.members) {
        const protocol::keepalive& last = peers_.of(member.pnn).last;
        if (last.session != member.session) continue;
        for (const AddressId id : last.takeable) {
            if (listed.size() < protocol::MAX_ADDRESSES) listed.try_emplace(id, protocol::address{id, no_node, no_node});
        }
    }
    view.addresses.clear();
    for (const auto& [id, address] : listed) view.addresses.push_back(address);
}

// Members that are healthy and say so, rising.
std::vector<Pnn> Leadership::able_to_hold(const protocol::view& view, AddressId address) const {
    constexpr node_flags keeping_off = node_flags::NODE_UNHEALTHY | node_flags::NODE_DISABLED;
    std::vector<Pnn> nodes;
    for (const protocol::member& member : view.members) {
        const auto& takeable = peers_.of(member.pnn).last.takeable;
        if (!member.leaving && !any(member.flags & keeping_off) && std::binary_search(takeable.begin(), takeable.end(), address))
            nodes.push_back(member.pnn);
    }
    const auto assigned = assigned_.find(address);
    if (assigned != assigned_.end() && std::binary_search(nodes.begin(), nodes.end(), assigned->second)) return {assigned->second};
    return nodes;
}

void Leadership::assign(AddressId address, Pnn pnn) {
    if (role_ == Role::leading && assigned_.size() < protocol::MAX_ADDRESSES) assigned_[address] = pnn;
}

// An address moves in two views: the first takes it from its holder, the second, once that has released it, gives it to the next.
void Leadership::place_addresses(protocol::view& view) const {
    for (protocol::address& address : view.addresses) clear_former(view, address);
    list_addresses(view);
    std::vector<Placed> items;
    for (const protocol::address& address : view.addresses) {
        items.push_back({address.holder, able_to_hold(view, address.id)});
        if (!context_.policy.takes_over) std::erase_if(items.back().able, [&](Pnn pnn) { return pnn != address.holder; });
    }
    const std::vector<Pnn> wanted = place(items, context_.policy.balances);
    for (size_t index = 0; index < wanted.size(); index++) {
        protocol::address& address = view.addresses[index];
        if (address.holder == no_node && address.former == no_node) {
            address.holder = wanted[index];
        } else if (address.holder != wanted[index] && address.holder != no_node) {
            context_.took(Transition::address_moved);
            address.former = std::exchange(address.holder, context_.planted(Planted::hands_over_unreleased) ? wanted[index] : no_node);
        }
    }
}

// A holder that is no member any more has lost its lease, and its address with it; a former one that is a member says when it has released
// it.
void Leadership::clear_former(const protocol::view& view, protocol::address& address) const {
    if (address.holder != no_node && find_member(view, address.holder) == nullptr) address.holder = no_node;
    if (address.former == no_node) return;
    const protocol::member* former = find_member(view, address.former);
    const protocol::keepalive& last = peers_.of(address.former).last;
    const auto& held = last.addresses;
    const bool released = former != nullptr && last.session == former->session && last.view == current_.id &&
                          std::find(held.begin(), held.end(), address.id) == held.end();
    if (former == nullptr || released) address.former = no_node;
}

}  // namespace Atoll::ctdb
