#include "ctdb/daemon/tickles.h"

#include <algorithm>

#include "base/log.h"
#include "ctdb/daemon/limits.h"
#include "ctdb/network/kernel_connections.h"
#include "ctdb/network/packets.h"

namespace Atoll::ctdb {
namespace {

constexpr std::chrono::milliseconds scan_interval{1000};
constexpr std::chrono::milliseconds tickle_interval{300};
constexpr int tickle_rounds = 3;

std::vector<protocol::connection_entry> entries_of(std::set<Connection>::const_iterator& from, std::set<Connection>::const_iterator end) {
    std::vector<protocol::connection_entry> entries;
    for (; from != end && entries.size() < protocol::MAX_CONNECTIONS; ++from)
        entries.push_back({text_of(from->server), text_of(from->client)});
    return entries;
}

}  // namespace

Tickles::Tickles(loop::Loop& loop, const Tunables& tunables, Tell tell)
    : tunables_(tunables), tell_(std::move(tell)), scanner_(loop, [this] { scan(); }), again_(loop, [this] { tickle_again(); }) {
    scanner_.set_in(scan_interval);
}

void Tickles::serve(const IpAddress& address, bool on) {
    Own& own = own_[address];
    own.served = on;
    if (on) return;
    own.found.clear();
    own.added.clear();
    tell(address, own);
}

void Tickles::scan() {
    scanner_.set_in(scan_interval);
    std::vector<IpAddress> served;
    for (const auto& [address, own] : own_) {
        if (own.served) served.push_back(address);
    }
    // For a node that has come since, or has lost its connection.
    const bool all = monotonic_now() - told_all_ > std::chrono::seconds(tunables_.tickle_update_interval);
    if (all) told_all_ = monotonic_now();
    if (served.empty()) return;
    const auto found = established_at(served, limits::max_tickles);
    if (!found) return log_error("{}", found.error().message());
    for (auto& [address, own] : own_) own.found.clear();
    for (const Connection& connection : *found) own_[connection.server.address].found.insert(connection);
    for (auto& [address, own] : own_) {
        List now = own.found;
        now.insert(own.added.begin(), own.added.end());
        if (all || now != own.told) tell(address, own);
    }
}

// The whole list, in pieces: the first begins it anew.
void Tickles::tell(const IpAddress& address, Own& own) {
    own.told = own.found;
    own.told.insert(own.added.begin(), own.added.end());
    protocol::connections list;
    list.address = text_of(address);
    list.first = true;
    auto from = own.told.cbegin();
    do {
        list.list = entries_of(from, own.told.cend());
        tell_(list);
        list.first = false;
    } while (from != own.told.cend());
}

size_t Tickles::count() const {
    size_t sum = 0;
    for (const auto& [pnn, lists] : others_) {
        for (const auto& [address, list] : lists) sum += list.size() + 1;
    }
    return sum;
}

bool Tickles::received(Pnn from, const protocol::connections& list) {
    const auto address = parse_ip(list.address);
    if (!address) return false;
    List& known = others_[from][*address];
    if (list.first) known.clear();
    size_t room = limits::max_tickles - std::min(count(), limits::max_tickles);
    for (const auto& entry : list.list) {
        const auto server = parse_endpoint(entry.server);
        const auto client = parse_endpoint(entry.client);
        if (!server || !client || server->address != *address || client->address.family != address->family) return false;
        if (room > 0 && known.insert({*server, *client}).second) room--;
    }
    return true;
}

void Tickles::add(const Connection& connection) {
    Own& own = own_[connection.server.address];
    if (own.added.size() >= limits::max_tickles) return;
    own.added.insert(connection);
    tell(connection.server.address, own);
}

void Tickles::remove(const Connection& connection) {
    Own& own = own_[connection.server.address];
    own.added.erase(connection);
    own.found.erase(connection);
    tell(connection.server.address, own);
}

std::vector<Connection> Tickles::at(const IpAddress& address) const {
    List all;
    const auto own = own_.find(address);
    if (own != own_.end()) all = own->second.told;
    for (const auto& [pnn, lists] : others_) {
        const auto found = lists.find(address);
        if (found != lists.end()) all.insert(found->second.begin(), found->second.end());
    }
    return {all.begin(), all.end()};
}

void Tickles::taken(const IpAddress& address) {
    Round round;
    for (auto& [pnn, lists] : others_) {
        const auto found = lists.find(address);
        if (found == lists.end()) continue;
        round.connections.insert(round.connections.end(), found->second.begin(), found->second.end());
        lists.erase(found);
    }
    if (round.connections.empty()) return;
    log_notice("{} connections to {} are tickled", round.connections.size(), text_of(address));
    round.left = tickle_rounds;
    rounds_.push_back(std::move(round));
    tickle_again();
}

void Tickles::placed(Pnn me, const std::function<Pnn(const IpAddress&)>& holder_of) {
    for (auto& entry : others_) {
        const Pnn pnn = entry.first;
        std::erase_if(entry.second, [&](const auto& list) {
            const Pnn holder = holder_of(list.first);
            return holder != no_node && holder != me && holder != pnn;
        });
    }
}

// A packet may be lost, and the switch may not know yet where the address is.
void Tickles::tickle_again() {
    for (Round& round : rounds_) {
        round.left--;
        for (const Connection& connection : round.connections) {
            if (auto sent = tickle(connection); !sent) log_info("{}", sent.error().message());
        }
    }
    std::erase_if(rounds_, [](const Round& round) { return round.left <= 0; });
    if (!rounds_.empty()) again_.set_in(tickle_interval);
}

}  // namespace Atoll::ctdb
