// The clients of a world: each locks a record, changes it, and thinks. They look at the shared memory as an smbd does, without the daemon.
#include <algorithm>

#include "ctdb/sim/world.h"

namespace Atoll::ctdb::sim {

void World::start_workers(Host& host) {
    for (size_t index = 0; index < host.workers.size(); index++) schedule_worker(host, index, random_.below(think_), &World::begin);
}

// The step happens unless the worker's state has changed by then. On a machine that stands still it waits.
void World::schedule_worker(Host& host, size_t index, Time delay, void (World::*step)(Host&, size_t)) {
    schedule_.after(delay, [this, &host, index, step, turn = host.workers[index].turn] {
        if (!host.up || host.workers[index].turn != turn) return;
        if (host.frozen) {
            schedule_worker(host, index, 5 * millisecond, step);
        } else {
            (this->*step)(host, index);
        }
    });
}

NodeLease World::lease_seen(const Host& host) const {
    if (options_.planted == Planted::ignore_node_lease && host.shared.lease.session != 0)
        return NodeLease{~Time{0}, host.shared.lease.session};
    return host.shared.lease;
}

const RecordKey* World::choose_record(const Host& host) {
    if (work_ == Work::none) return nullptr;
    if (work_ == Work::fill) return filled_ < keys_.size() ? &keys_[filled_++] : nullptr;
    if (options_.own_slots && (host.core->view().members.size() < hosts_.size() || !host.core->settled())) return nullptr;
    const RecordKey& any = keys_[random_.one_in(3) ? random_.below(3) : random_.below(keys_.size())];
    return !options_.own_slots || host.shared.gates[host.store.slot_of(any)].located ? &any : nullptr;
}

void World::begin(Host& host, size_t index) {
    Worker& worker = host.workers[index];
    worker.turn++;
    const RecordKey* chosen = choose_record(host);
    if (chosen == nullptr) return schedule_worker(host, index, std::max(think_, 10 * millisecond), &World::begin);
    worker.key = *chosen;
    Copy copy;
    const SlotGate& gate = host.shared.gates[host.store.slot_of(worker.key)];
    if (host.store.read(worker.key, copy) && may_use_locally(copy, gate, lease_seen(host), host.clock(schedule_.now()))) {
        copy.holder = client_of(index);
        host.store.write(worker.key, copy);
        lock_record(host, index);
        return;
    }
    worker.state = Worker::State::waiting;
    schedule_.after(20, [this, &host, index, turn = worker.turn, incarnation = host.incarnation] {
        if (host.up && host.workers[index].turn == turn) deliver(host, incarnation, ClientWants{client_of(index), host.workers[index].key});
    });
}

void World::lock_record(Host& host, size_t index) {
    Worker& worker = host.workers[index];
    Copy copy;
    host.store.read(worker.key, copy);
    worker.state = Worker::State::holding;
    worker.turn++;
    worker.session = host.shared.lease.session;
    worker.value = checker_.locked(host, worker, value_of(copy), schedule_.now());
    const Time hold = work_ == Work::fill ? random_.below(100) : random_.one_in(200) ? random_.below(2 * second) : random_.below(random_.one_in(5) ? 5 * millisecond : 100);
    schedule_worker(host, index, hold, &World::release);
}

void World::release(Host& host, size_t index) {
    Worker& worker = host.workers[index];
    Copy copy;
    host.store.read(worker.key, copy);
    const Client client = client_of(index);
    if (!may_commit(copy, client, worker.session, lease_seen(host), host.clock(schedule_.now()))) return finish(host, index);
    const bool removes = work_ == Work::mixed && random_.one_in(4);
    const bool mirrors = options_.mirrored && is_mirrored(worker.key);
    if (mirrors) copy.sequence++;
    const uint64_t number = checker_.committed(host, worker, removes, copy);
    copy.value = removes ? Value() : value_from(number);
    host.store.write(worker.key, copy);
    worker.value = number;
    if (!mirrors) {
        worker.done++;
        return finish(host, index);
    }
    worker.state = Worker::State::mirroring;
    worker.turn++;
    schedule_.after(20, [this, &host, index, turn = worker.turn, incarnation = host.incarnation] {
        if (host.up && host.workers[index].turn == turn)
            deliver(host, incarnation, ClientStored{client_of(index), host.workers[index].key});
    });
}

// The store counts if the node may still serve in the session in which the record was locked.
void World::mirrored(Host& host, const RecordMirrored& mirrored) {
    const size_t index = static_cast<size_t>(mirrored.client - 1);
    Worker& worker = host.workers[index];
    if (worker.state != Worker::State::mirroring || worker.key != mirrored.key) return;
    const NodeLease lease = lease_seen(host);
    if (lease_holds(lease, host.clock(schedule_.now())) && lease.session == worker.session) {
        checker_.answered(host, worker);
        worker.done++;
    }
    finish(host, index);
}

void World::finish(Host& host, size_t index) {
    Worker& worker = host.workers[index];
    clear_holder(host, worker.key, client_of(index));
    worker.state = Worker::State::idle;
    worker.turn++;
    schedule_worker(host, index, random_.below(2 * think_), &World::begin);
}

// Whether it was the holder.
bool World::clear_holder(Host& host, const RecordKey& key, Client client) {
    Copy copy;
    if (!host.store.read(key, copy) || copy.holder != client) return false;
    copy.holder = 0;
    host.store.write(key, copy);
    if (!release_is_awaited(copy, host.shared.gates[host.store.slot_of(key)])) return true;
    schedule_.after(20, [this, &host, key, incarnation = host.incarnation] { deliver(host, incarnation, ClientReleased{key}); });
    return true;
}

// A client that has died meanwhile, or that wakes without a lease, takes nothing.
void World::granted(Host& host, const GrantRecord& grant) {
    const size_t index = static_cast<size_t>(grant.client - 1);
    const Worker& worker = host.workers[index];
    if (worker.state == Worker::State::waiting && worker.key == grant.key && lease_holds(lease_seen(host), host.clock(schedule_.now()))) {
        lock_record(host, index);
    } else {
        clear_holder(host, grant.key, grant.client);
    }
}

void World::end_clients(Host& host) {
    for (size_t index = 0; index < host.workers.size(); index++) {
        Worker& worker = host.workers[index];
        if (worker.state != Worker::State::holding && worker.state != Worker::State::mirroring) continue;
        worker.state = Worker::State::idle;
        worker.turn++;
        schedule_worker(host, index, think_, &World::begin);
    }
}

void World::kill_client(Host& host, size_t index) {
    Worker& worker = host.workers[index];
    const Client client = client_of(index);
    worker.state = Worker::State::idle;
    worker.turn++;
    for (const RecordKey& key : keys_) {
        if (clear_holder(host, key, client)) deliver(host, host.incarnation, ClientReleased{key});
    }
    deliver(host, host.incarnation, ClientGone{client});
    schedule_worker(host, index, think_, &World::begin);
}

}  // namespace Atoll::ctdb::sim
