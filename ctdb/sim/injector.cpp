// The faults of a world: the kinds and phases that have met least often come first, by its own table, so that a seed decides everything.
#include <algorithm>
#include <array>

#include "ctdb/sim/world.h"

namespace Atoll::ctdb::sim {

const char* name_of(Fault fault) {
    constexpr std::array<const char*, static_cast<size_t>(Fault::count)> names = {
        "loss", "delay",  "duplicate",  "partition",        "one_way",   "crash",     "daemon_crash", "blackout",
        "stop", "freeze", "clock_jump", "lock_unreachable", "slow_disk", "full_disk", "client_death", "flags",
        "policy", "listing"};
    return names[static_cast<size_t>(fault)];
}

// Half of the faults strike where chance has it. The others lie in wait for a phase that few have met: it may be over in less than a
// millisecond.
void World::schedule_fault() {
    schedule_.after(random_.below(2 * fault_interval_) + millisecond, [this] {
        if (calm_) return;
        if (random_.one_in(2) || std::exchange(lies_in_wait_, true)) inject();
        schedule_fault();
    });
}

bool World::is_rare(Phase phase) const {
    uint64_t all = 0;
    for (size_t index = 0; index < static_cast<size_t>(Phase::count); index++) all += outcome_.faults.in(static_cast<Phase>(index));
    return 2 * outcome_.faults.in(phase) <= all / static_cast<uint64_t>(Phase::count);
}

// After each event of a node. The fault is an event of its own.
void World::watch_for_phase(Host& host) {
    if (!lies_in_wait_ || springing_ || !is_rare(host.core->phase())) return;
    springing_ = true;
    schedule_.after(0, [this, &host, incarnation = host.incarnation] {
        springing_ = false;
        const bool there = !calm_ && host.up && host.incarnation == incarnation && !host.stopped && !host.frozen;
        if (!there || !is_rare(host.core->phase())) return;
        lies_in_wait_ = false;
        strike(rarest_in(host.core->phase()), host);
    });
}

Fault World::rarest_in(Phase phase) {
    auto rarest = Fault::client_death;
    uint64_t least = ~uint64_t{0}, equals = 0;
    for (auto index = static_cast<size_t>(first_of_nodes); index <= static_cast<size_t>(last_of_nodes); index++) {
        const auto fault = static_cast<Fault>(index);
        if (fault == Fault::blackout && schedule_.now() - blacked_out_ < 10 * second) continue;
        const uint64_t count = outcome_.faults.count(fault, phase);
        if (count > least) continue;
        equals = count < least ? 1 : equals + 1;
        least = count;
        if (random_.one_in(equals)) rarest = fault;
    }
    return rarest;
}

Time World::some_time() { return random_.one_in(2) ? random_.below(600 * millisecond) : random_.below(7 * second); }

void World::inject() {
    if (!options_.favoured.empty() && random_.one_in(2)) {
        Host& host = *hosts_[random_.below(hosts_.size())];
        if (host.up && !host.stopped && !host.frozen) strike(options_.favoured[random_.below(options_.favoured.size())], host);
        return;
    }
    Host* struck = nullptr;
    Fault kind = Fault::partition;
    uint64_t least = ~uint64_t{0};
    for (int tries = 0; tries < 16; tries++) {
        Host& host = *hosts_[random_.below(hosts_.size())];
        const auto fault =
            static_cast<Fault>(random_.between(static_cast<uint64_t>(first_of_nodes), static_cast<uint64_t>(last_of_nodes)));
        if (!host.up || host.stopped || host.frozen) continue;
        if ((fault == Fault::crash || fault == Fault::daemon_crash) && !random_.one_in(3))
            continue;  // or no node lives long enough for the rest
        if (fault == Fault::blackout && !random_.one_in(10)) continue;
        const uint64_t count = outcome_.faults.count(fault, host.core->phase());
        if (count >= least) continue;
        least = count;
        struck = &host;
        kind = fault;
    }
    if (struck != nullptr) strike(kind, *struck);
}

void World::met(Fault fault, const Host& host) {
    outcome_.faults.struck(fault, host.core->phase());
    trace(host, "is struck by", name_of(fault));
}

void World::strike(Fault fault, Host& host) {
    if (fault != Fault::blackout && fault != Fault::lock_unreachable) met(fault, host);
    switch (fault) {
        case Fault::partition:
        case Fault::one_way: strike_network(fault, host); break;
        case Fault::crash: crash(host, false); break;
        case Fault::daemon_crash: crash(host, true); break;
        case Fault::blackout:
            blacked_out_ = schedule_.now();
            for (const auto& other : hosts_) {
                if (!other->up) continue;
                met(fault, *other);
                crash(*other, false);
            }
            break;
        case Fault::stop: suspend(host, false); break;
        case Fault::freeze: suspend(host, true); break;
        case Fault::clock_jump:
            host.clock_offset += static_cast<int64_t>(random_.between(300 * millisecond, random_.one_in(2) ? 3 * second : 100 * second));
            break;
        case Fault::lock_unreachable: cut_lock(host); break;
        case Fault::slow_disk:
            host.slow_disk = true;
            schedule_.after(some_time(), [&host] { host.slow_disk = false; });
            break;
        case Fault::full_disk:
            host.full_disk = true;
            schedule_.after(some_time(), [&host] { host.full_disk = false; });
            break;
        case Fault::client_death:
            kill_client(host, random_.below(host.workers.size()));
            kill_reader(host, random_.below(host.readers.size()));
            break;
        case Fault::flags: strike_flags(host); break;
        case Fault::policy: strike_policy(host); break;
        case Fault::listing: strike_listing(host); break;
        default: break;
    }
}

void World::block(Pnn from, Pnn to, Time duration) {
    blocked_[from][to]++;
    schedule_.after(duration, [this, from, to] {
        if (!calm_) blocked_[from][to]--;
    });
}

// Against one other node, some, or all.
void World::strike_network(Fault fault, Host& host) {
    const Time duration = some_time();
    const uint64_t share = random_.between(1, 3);
    const bool outward = random_.one_in(2);
    const Pnn one = static_cast<Pnn>(random_.below(hosts_.size()));
    for (Pnn other = 0; other < hosts_.size(); other++) {
        if (other == host.pnn || (share == 1 && other != one) || (share == 2 && random_.one_in(2))) continue;
        if (fault == Fault::partition || outward) block(host.pnn, other, duration);
        if (fault == Fault::partition || !outward) block(other, host.pnn, duration);
    }
}

void World::suspend(Host& host, bool whole_machine) {
    (whole_machine ? host.frozen : host.stopped) = true;
    schedule_.after(some_time(), [this, &host, incarnation = host.incarnation] {
        if (!host.up || host.incarnation != incarnation || (!host.stopped && !host.frozen)) return;
        host.stopped = host.frozen = false;
        wake(host);
    });
}

// The service may give the lock to others meanwhile, and the holder does not learn of it.
void World::cut_lock(Host& struck) {
    const bool from_holder = lock_.holder() && random_.one_in(2) && hosts_[lock_.holder()->pnn]->up;
    Host& host = from_holder ? *hosts_[lock_.holder()->pnn] : struck;
    met(Fault::lock_unreachable, host);
    host.lock_unreachable = true;
    schedule_.after(some_time(), [&host] { host.lock_unreachable = false; });
    if (random_.one_in(3)) return;
    const LockService::Holder holder{host.pnn, host.incarnation};
    schedule_.after(random_.below(3 * second), [this, &host, holder] {
        if (host.lock_unreachable) lock_.release(holder);
    });
}

void World::strike_flags(Host& host) {
    const AddressAssigned assigned{random_.between(1, options_.addresses), host.pnn};
    for (const auto& other : hosts_) {
        if (random_.one_in(4)) deliver(*other, other->incarnation, AddressesBalanced{});
        if (random_.one_in(16)) deliver(*other, other->incarnation, RecoveryForced{});
        deliver(*other, other->incarnation, assigned);
    }
    const uint64_t which = random_.below(6);
    const uint64_t incarnation = host.incarnation;
    const auto set = [this, &host, which, incarnation](bool on) {
        if (!on && calm_) return;
        if (which == 0) {
            deliver(host, incarnation, Monitored{!on});
        } else if (which == 3) {
            for (const auto& other : hosts_) {
                if (!on) deliver(*other, other->incarnation, BanPardoned{host.pnn});
            }
            deliver(host, incarnation, AdministratorBanned{on ? some_time() : 0});
        } else {
            static constexpr node_flags flags[] = {node_flags::NODE_DISABLED, node_flags::NODE_STOPPED, node_flags::none,
                                                   node_flags::NODE_NO_SLOTS, node_flags::NODE_NO_LEAD};
            deliver(host, incarnation, AdministratorSet{flags[which - 1], on});
        }
    };
    set(true);
    schedule_.after(some_time() + second, [set] { set(false); });
}

void World::strike_policy(Host& host) {
    Policy policy = usual_policy();
    policy.bans = random_.one_in(2);
    policy.ban = some_time();
    policy.balances = random_.one_in(2);
    policy.takes_over = random_.one_in(2);
    const uint64_t incarnation = host.incarnation;
    deliver(host, incarnation, PolicySet{policy});
    schedule_.after(some_time() + second, [this, &host, incarnation] { deliver(host, incarnation, PolicySet{usual_policy()}); });
}

std::vector<Pnn> World::listed() const {
    std::vector<Pnn> nodes;
    for (Pnn pnn = 0; pnn < options_.nodes; pnn++) {
        if (pnn != unlisted_) nodes.push_back(pnn);
    }
    return nodes;
}

void World::read_list(Host& host) {
    if (host.pnn != unlisted_) deliver(host, host.incarnation, NodesListed{listed()});
}

// Every node reads the list when it comes to it.
void World::change_list(Pnn unlisted) {
    unlisted_ = unlisted;
    for (const auto& host : hosts_) {
        schedule_.after(random_.below(second), [this, &other = *host] {
            if (!other.up && unlisted_ == no_node && !stays_down_) start(other);
            read_list(other);
        });
    }
}

// Another node is shut down and taken from the list, and comes back later. What all have may be on its disk only: then it stays.
void World::strike_listing(Host& host) {
    const std::optional<protocol::view>& stored = register_content();
    const Pnn chosen = static_cast<Pnn>(random_.below(hosts_.size()));
    Host& other = *hosts_[chosen];
    const auto& synced = stored ? stored->persistent.synced : std::vector<Pnn>();
    const bool spared = std::any_of(synced.begin(), synced.end(), [&](Pnn pnn) { return pnn != chosen; });
    if (unlisted_ == no_node && chosen != host.pnn && other.up && spared) {
        crash(other, true);
        change_list(chosen);
        schedule_.after(some_time() + second, [this] {
            if (!calm_) change_list(no_node);
        });
    }
    read_list(host);
}

}  // namespace Atoll::ctdb::sim
