// The faults of a world: the kinds and phases that have met least often come first.
#include <algorithm>
#include <array>

#include "ctdb/sim/world.h"

namespace Atoll::ctdb::sim {

const char* name_of(Fault fault) {
    constexpr std::array<const char*, static_cast<size_t>(Fault::count)> names = {
        "loss", "delay",  "duplicate",  "partition",        "one_way",   "crash",     "daemon_crash", "blackout",
        "stop", "freeze", "clock_jump", "lock_unreachable", "slow_disk", "full_disk", "client_death", "flags"};
    return names[static_cast<size_t>(fault)];
}

void World::schedule_fault() {
    schedule_.after(random_.below(2 * fault_interval_) + millisecond, [this] {
        if (calm_) return;
        inject();
        schedule_fault();
    });
}

Time World::some_time() { return random_.one_in(2) ? random_.below(600 * millisecond) : random_.below(7 * second); }

void World::inject() {
    Host* struck = nullptr;
    Fault kind = Fault::partition;
    uint64_t least = ~uint64_t{0};
    for (int tries = 0; tries < 16; tries++) {
        Host& host = *hosts_[random_.below(hosts_.size())];
        const auto fault =
            static_cast<Fault>(random_.between(static_cast<uint64_t>(Fault::partition), static_cast<uint64_t>(Fault::flags)));
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
    if (struck == nullptr) return;
    outcome_.faults.struck(kind, struck->core->phase());
    trace(*struck, "is struck by", name_of(kind));
    strike(kind, *struck);
}

void World::strike(Fault fault, Host& host) {
    switch (fault) {
        case Fault::partition:
        case Fault::one_way: strike_network(fault, host); break;
        case Fault::crash: crash(host, false); break;
        case Fault::daemon_crash: crash(host, true); break;
        case Fault::blackout:
            for (const auto& other : hosts_) {
                if (other->up) crash(*other, false);
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
        case Fault::client_death: kill_client(host, random_.below(host.workers.size())); break;
        case Fault::flags: strike_flags(host); break;
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

}  // namespace Atoll::ctdb::sim
