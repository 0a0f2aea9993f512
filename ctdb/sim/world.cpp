#include "ctdb/sim/world.h"

#include <algorithm>
#include <cstdio>

namespace Atoll::ctdb::sim {
namespace {

constexpr size_t workers_per_host = 3;
constexpr size_t readers_per_host = 2;
constexpr size_t writers_per_host = 2;
constexpr uint32_t newest_level = 2;

std::vector<RecordKey> make_keys(uint32_t count) {
    std::vector<RecordKey> keys;
    for (uint32_t number = 0; number < count; number++) {
        const uint8_t low = static_cast<uint8_t>(number), high = static_cast<uint8_t>(number >> 8),
                      higher = static_cast<uint8_t>(number >> 16);
        if (number % 4 != 1) {
            keys.push_back(RecordKey{1, {low, high, higher}});
            continue;
        }
        const uint64_t id = id_in_slot(0, number % protocol::SLOTS);
        keys.push_back(RecordKey{2, {static_cast<uint8_t>(id >> 56), static_cast<uint8_t>(id >> 48), 0, 0, 0, higher, high, low}});
    }
    return keys;
}

}  // namespace

World::World(const Options& options) : options_(options), random_(options.seed), keys_(make_keys(options.keys)), checker_(hosts_, keys_) {
    choose();
    blocked_.assign(options_.nodes, std::vector<uint32_t>(options_.nodes, 0));
    last_arrival_.assign(options_.nodes, std::vector<Time>(options_.nodes, 0));
    for (Pnn pnn = 0; pnn < options_.nodes; pnn++) {
        hosts_.push_back(std::make_unique<Host>(options_.slots, workers_per_host, readers_per_host, writers_per_host));
        hosts_.back()->pnn = pnn;
        hosts_.back()->clock_offset = static_cast<int64_t>(random_.between(1 * second, 1000 * second));
        hosts_.back()->clock_rate = static_cast<int64_t>(random_.below(2001)) - 1000;
    }
    for (const auto& host : hosts_) start(*host);
    if (options_.faults) schedule_fault();
}

// What the options leave to the seed.
void World::choose() {
    if (options_.nodes == 0) options_.nodes = static_cast<uint32_t>(random_.between(3, random_.one_in(4) ? 16 : 7));
    if (options_.addresses == 0) options_.addresses = static_cast<uint32_t>(random_.between(1, 2 * options_.nodes));
    if (options_.fault_interval == 0) options_.fault_interval = random_.between(50, random_.one_in(2) ? 1000 : 5000);
    fault_interval_ = options_.fault_interval * millisecond;
    think_ = random_.between(1, 30) * millisecond;
    reader_think_ = random_.one_in(4) ? think_ : 8 * think_;
    writer_think_ = random_.between(20, 500) * millisecond;
    by_majority_ = options_.lock == Options::Lock::none;
    if (!options_.faults) return;
    if (options_.lock == Options::Lock::by_seed) by_majority_ = random_.one_in(4);
    constexpr uint64_t rates[] = {0, 1000, 10000, 50000};
    loss_ = rates[random_.below(4)];
    late_ = rates[random_.below(4)];
    doubled_ = rates[random_.below(4)];
}

void World::start(Host& host) {
    Config config;
    config.me = host.pnn;
    config.incarnation = ++host.incarnation;
    config.nodes = listed();
    config.slots = options_.slots;
    config.blame_limit = 2;
    config.blame_half_life = 30 * second;
    config.policy = usual_policy();
    config.writes_in_part = 2;
    config.recovers_at_once = 2;
    config.planted = options_.planted;
    config.newest_level = host.newest_level = choose_level(host);
    config.by_majority = by_majority_;
    config.ballot = host.disk.ballot;
    config.level = std::min(host.level, config.newest_level);
    host.core = std::make_unique<Core>(config, host.shared, host.disk);
    host.up = true;
    trace(host, "starts", "");
    deliver(host, host.incarnation, LevelRead{host.newest_level});
    offer_addresses(host);
    tick(host, host.incarnation);
    start_workers(host);
    start_readers(host);
    start_writers(host);
}

// Programs are upgraded as they are started again; now and then an older one is put back. Where that is too old by now it is upgraded soon.
uint32_t World::choose_level(Host& host) {
    if (calm_ || !options_.faults) return newest_level;
    const bool older = host.incarnation == 1 ? random_.one_in(2) : random_.one_in(host.newest_level == newest_level ? 16 : 2);
    if (!older) return newest_level;
    schedule_.after(random_.between(1 * second, 10 * second), [this, &host, incarnation = host.incarnation] {
        if (host.up && host.incarnation == incarnation) crash(host, true);
    });
    return newest_level - 1;
}

// Each node can hold two of three addresses, and each address can be held by somebody.
void World::offer_addresses(Host& host) {
    AddressesOffered offered;
    for (AddressId address = 1; address <= options_.addresses; address++) {
        if ((address + host.pnn) % 3 != 0 && !host.untakeable.contains(address)) offered.addresses.push_back(address);
    }
    deliver(host, host.incarnation, std::move(offered));
    for (const AddressId address : host.wanted) {
        if (!host.untakeable.contains(address)) host.addresses.insert(address);
    }
}

// One that could not be taken is offered again after a while, and taken then, if it was not told otherwise meanwhile.
void World::take_address(Host& host, AddressId address) {
    host.wanted.insert(address);
    if (calm_ || !options_.faults || !random_.one_in(20)) {
        host.addresses.insert(address);
        return;
    }
    host.untakeable.insert(address);
    const auto after = [this, &host, incarnation = host.incarnation](Time delay, auto step) {
        schedule_.after(delay, [this, &host, incarnation, step] {
            if (!host.up || host.incarnation != incarnation) return;
            step();
            offer_addresses(host);
        });
    };
    after(random_.below(300 * millisecond), [] {});
    after(second + random_.below(5 * second), [&host, address] { host.untakeable.erase(address); });
}

// A daemon's end is the end of its node's service: its supervisor sees to that and tells the others. When the machine ends nobody tells.
void World::crash(Host& host, bool supervised) {
    trace(host, supervised ? "ctdbd dies" : "dies", "");
    for (size_t index = 0; index < static_cast<size_t>(Transition::count); index++) {
        host.past.add(static_cast<Transition>(index), host.core->transitions().count(static_cast<Transition>(index)));
    }
    host.level = std::max(host.level, host.core->level());
    const LockService::Holder holder{host.pnn, host.incarnation};
    host.up = host.stopped = host.frozen = false;
    host.shared.lease = NodeLease();
    host.store.clear();
    host.inbox.clear();
    host.addresses.clear();
    host.untakeable.clear();
    host.wanted.clear();
    for (Worker& worker : host.workers) worker.state = Worker::State::idle, worker.turn++;
    for (Reader& reader : host.readers) reader.waits = false, reader.turn++;
    end_disk(host);
    end_ballots(host);
    checker_.host_lost(schedule_.now());
    // A supervisor gives the lock back before it tells.
    const Time released = supervised ? random_.below(50 * millisecond) : random_.below(3 * second);
    schedule_.after(released, [this, holder] { lock_.release(holder); });
    if (supervised) {
        for (const auto& other : hosts_) {
            const bool unheard = options_.faults && random_.one_in(8);
            if (other.get() == &host || unheard || blocked_[host.pnn][other->pnn] > 0) continue;
            const PeerEnded ended{host.pnn, host.incarnation};
            schedule_.after(released + random_.below(20 * millisecond),
                            [this, &other, ended] { deliver(*other, other->incarnation, ended); });
        }
    }
    schedule_.after(random_.between(50 * millisecond, 4 * second), [this, &host] {
        if (!host.up && !stays_down_ && host.pnn != unlisted_) start(host);
    });
}

void World::tick(Host& host, uint64_t incarnation) {
    if (!host.up || host.incarnation != incarnation) return;
    if (!host.stopped && !host.frozen) deliver(host, incarnation, Ticked{});
    schedule_.after(50 * millisecond - random_.below(10 * millisecond), [this, &host, incarnation] { tick(host, incarnation); });
}

void World::deliver(Host& host, uint64_t incarnation, Event event) {
    if (!host.up || host.incarnation != incarnation) return;
    if (host.stopped || host.frozen) {
        host.inbox.push_back(std::move(event));
    } else {
        handle(host, std::move(event));
    }
}

void World::handle(Host& host, Event event) {
    outcome_.steps++;
    for (const Action& action : host.core->handle(std::move(event), host.clock(schedule_.now()))) perform(host, action);
    checker_.step(host, schedule_.now());
    if (by_majority_) checker_.check_leaders(host, schedule_.now());
    if (options_.transactions) watch_replicas();
    observe(host);
    watch_for_phase(host);
}

void World::perform(Host& host, const Action& action) {
    if (const auto* send = std::get_if<Send>(&action)) {
        transmit(send->message);
    } else if (std::holds_alternative<TakeLock>(action)) {
        ask_lock(host, [](World& world, Host& h) { world.take_lock(h); });
    } else if (const auto* check = std::get_if<CheckLock>(&action)) {
        ask_lock(host, [check = *check](World& world, Host& h) {
            world.deliver(h, h.incarnation, LockChecked{check.term, check.asked, world.lock_.held({h.pnn, h.incarnation}, check.term)});
        });
    } else if (std::holds_alternative<ReleaseLock>(action)) {
        ask_lock(host, [](World& world, Host& h) { world.lock_.release({h.pnn, h.incarnation}); });
    } else if (const auto* write = std::get_if<WriteRegister>(&action)) {
        ask_lock(host, [write = *write](World& world, Host& h) { world.write_register(h, write); });
    } else if (const auto* ballot = std::get_if<WriteBallot>(&action)) {
        write_ballot(host, *ballot);
    } else if (const auto* store = std::get_if<WritePersistent>(&action)) {
        write_persistent(host, *store);
    } else if (const auto* done = std::get_if<TransactionDone>(&action)) {
        transaction_done(host, *done);
    } else if (const auto* grant = std::get_if<GrantRecord>(&action)) {
        granted(host, *grant);
    } else if (const auto* may_read = std::get_if<RecordReadable>(&action)) {
        answered(host, *may_read);
    } else if (const auto* has_mirror = std::get_if<RecordMirrored>(&action)) {
        mirrored(host, *has_mirror);
    } else if (std::holds_alternative<EndClients>(action)) {
        trace(host, "ends its session", "");
        end_clients(host);
    } else if (const auto* take = std::get_if<TakeAddress>(&action)) {
        take_address(host, take->address);
    } else if (const auto* release_address = std::get_if<ReleaseAddress>(&action)) {
        host.wanted.erase(release_address->address);
        schedule_.after(random_.below(300 * millisecond),
                        [this, &host, address = release_address->address, incarnation = host.incarnation] {
                            if (host.incarnation != incarnation || !host.up) return;
                            host.addresses.erase(address);
                            deliver(host, incarnation, AddressReleased{address});
                        });
    }
}

void World::wake(Host& host) {
    if (host.stopped || host.frozen) return;
    trace(host, "goes on", "");
    std::deque<Event> inbox = std::exchange(host.inbox, {});
    for (Event& event : inbox) deliver(host, host.incarnation, std::move(event));
}

void World::trace(const Host& host, const char* what, const std::string& detail) const {
    if (!options_.trace) return;
    std::printf("%10.6f node %u %s %s\n", static_cast<double>(schedule_.now()) / 1e6, host.pnn, what, detail.c_str());
}

Outcome World::run() {
    outcome_.nodes = options_.nodes;
    while (outcome_.steps < options_.steps && !checker_.violation()) schedule_.advance();
    if (!checker_.violation()) calm();
    if (!checker_.violation()) check_progress();
    if (checker_.violation()) {
        outcome_.violation = "at " + std::to_string(schedule_.now() / millisecond) + " ms: " + *checker_.violation();
    }
    outcome_.virtual_time = schedule_.now();
    for (const auto& host : hosts_) {
        for (size_t index = 0; index < static_cast<size_t>(Transition::count); index++) {
            const auto transition = static_cast<Transition>(index);
            const uint64_t count = host->past.count(transition) + (host->up ? host->core->transitions().count(transition) : 0);
            outcome_.transitions.add(transition, count);
        }
        for (const Worker& worker : host->workers) outcome_.changes += worker.done;
        for (const Reader& reader : host->readers) outcome_.reads += reader.done;
        for (const Writer& writer : host->writers) outcome_.transactions += writer.done;
    }
    return std::move(outcome_);
}

// Everything that is broken is mended, and nothing breaks any more.
void World::calm() {
    calm_ = true;
    loss_ = late_ = doubled_ = 0;
    for (auto& row : blocked_) std::fill(row.begin(), row.end(), 0);
    unlisted_ = no_node;
    for (const auto& host : hosts_) {
        host->slow_disk = host->full_disk = host->lock_unreachable = false;
        if (!host->up) start(*host);
        if (host->stopped || host->frozen) {
            host->stopped = host->frozen = false;
            wake(*host);
        }
        for (const auto flag : {node_flags::NODE_DISABLED, node_flags::NODE_STOPPED, node_flags::NODE_NO_SLOTS, node_flags::NODE_NO_LEAD})
            deliver(*host, host->incarnation, AdministratorSet{flag, false});
        deliver(*host, host->incarnation, Monitored{true});
        deliver(*host, host->incarnation, PolicySet{usual_policy()});
        read_list(*host);
        host->untakeable.clear();
        offer_addresses(*host);
        for (Worker& worker : host->workers) outcome_.changes += std::exchange(worker.done, 0);
        for (Reader& reader : host->readers) outcome_.reads += std::exchange(reader.done, 0);
        for (Writer& writer : host->writers) outcome_.transactions += std::exchange(writer.done, 0);
    }
}

// What has not come right yet; "" if nothing.
std::string World::unsettled() const {
    const ViewId view = hosts_[0]->core->view().id;
    size_t addresses = 0;
    for (const auto& host : hosts_) {
        const std::string node = "node " + std::to_string(host->pnn);
        if (host->core->session() == 0) return node + " is no member: " + name_of(host->core->phase());
        if (!lease_holds(host->shared.lease, host->clock(schedule_.now()))) return node + " has no lease";
        if (host->core->view().id != view) return node + " has another view";
        if (!host->core->settled()) return node + " recovers slots";
        addresses += host->addresses.size();
        if (host->core->view().persistent.synced.size() != hosts_.size()) return node + " does not see all disks synced";
        for (const Writer& writer : host->writers) {
            if (options_.transactions && writer.done < 1) return "a transaction of " + node + " waits";
        }
        for (const Worker& worker : host->workers) {
            if (worker.done < 3) return "a client of " + node + " waits for record " + std::to_string(number_of(worker.key));
        }
        for (const Reader& reader : host->readers) {
            if (options_.readers && reader.done < 3)
                return "a reader of " + node + " waits for record " + std::to_string(number_of(reader.key));
        }
    }
    for (const RecordKey& key : keys_) {
        if (checker_.single(key)) return "record " + std::to_string(number_of(key)) + " has no mirror";
    }
    return addresses == options_.addresses ? "" : "an address is on no node";
}

void World::check_progress() {
    const Time deadline = schedule_.now() + 60 * second;
    for (Time looked = 0; schedule_.now() < deadline && !checker_.violation();) {
        schedule_.advance();
        if (schedule_.now() - looked < 100 * millisecond) continue;
        looked = schedule_.now();
        if (unsettled().empty()) return;
    }
    outcome_.stalled = !checker_.violation();
    checker_.violated("60 s after the last fault " + unsettled());
}

}  // namespace Atoll::ctdb::sim
