#include "ctdb/sim/checker.h"

#include <algorithm>

#include "base/bytes.h"

namespace Atoll::ctdb::sim {
namespace {

std::string describe(const RecordKey& key) { return "record " + std::to_string(key.key.empty() ? 0 : key.key[0]); }
std::string describe(const Host& host) { return "node " + std::to_string(host.pnn); }

}  // namespace

uint64_t value_of(const Copy& copy) { return copy.value.size() == 8 ? load_le<uint64_t>(copy.value.data()) : 0; }

Value value_from(uint64_t number) {
    Value value(8);
    store_le(value.data(), number);
    return value;
}

bool Checker::serves(const Host& host, Time now) const { return host.up && lease_holds(host.shared.lease, host.clock(now)); }

bool Checker::is_member(const Host& host) const {
    return host.up && host.core->session() != 0 && find_session(view_, host.pnn, host.core->session()) != nullptr;
}

void Checker::view_written(const protocol::view& view, Time now) {
    if (view.id <= view_.id) violated("the register went back from view " + std::to_string(view_.id) + " to " + std::to_string(view.id));
    view_ = view;
    for (const auto& host : hosts_) check_lease(*host, now);
    lower_floors();
}

void Checker::host_lost(Time) { lower_floors(); }

// What only nodes had that are no members any more may be lost.
void Checker::lower_floors() {
    for (const RecordKey& key : keys_) {
        History& history = history_[key];
        uint64_t kept = 0;
        for (const auto& host : hosts_) {
            const Copy* copy = is_member(*host) ? host->store.find(key) : nullptr;
            if (copy != nullptr) kept = std::max(kept, value_of(*copy));
        }
        history.floor = std::min(history.floor, kept);
        history.twice = std::min(history.twice, kept);
    }
}

void Checker::locked(const Host& host, const Worker& worker, Time now) {
    for (const auto& other : hosts_) {
        if (other.get() == &host || !serves(*other, now)) continue;
        for (const Worker& holder : other->workers) {
            const bool holds = holder.state == Worker::State::holding || holder.state == Worker::State::mirroring;
            if (holds && holder.key == worker.key && holder.session == other->shared.lease.session)
                violated(describe(worker.key) + " is locked on " + describe(host) + " and on " + describe(*other));
        }
    }
    History& history = history_[worker.key];
    if (worker.value < history.floor || worker.value > history.last) {
        violated(describe(host) + " reads " + std::to_string(worker.value) + " of " + describe(worker.key) + ", which is " +
                 std::to_string(history.last) + " and at least " + std::to_string(history.floor));
    }
    history.last = history.floor = worker.value;
}

void Checker::committed(const Host& host, const Worker& worker) {
    History& history = history_[worker.key];
    if (history.last != worker.value) {
        violated(describe(host) + " changes " + describe(worker.key) + " from " + std::to_string(worker.value) + ", which is " +
                 std::to_string(history.last) + " by now");
    }
    history.last = history.floor = worker.value + 1;
}

// Of a node that is alone nothing is asked.
void Checker::answered(const Host& host, const Worker& worker) {
    size_t others = 0;
    for (const protocol::member& member : host.core->view().members) others += member.pnn != host.pnn && !member.leaving ? 1 : 0;
    if (others == 0 || history_[worker.key].twice > worker.value) return;
    violated(describe(host) + " is told that its change of " + describe(worker.key) + " to " + std::to_string(worker.value + 1) +
             " has a mirror, and no other node has had it");
}

void Checker::note_copies(const RecordKey& key) {
    uint64_t newest = 0, second = 0;
    for (const auto& host : hosts_) {
        const Copy* copy = host->up && host->core->session() != 0 ? host->store.find(key) : nullptr;
        if (copy == nullptr) continue;
        second = std::max(second, std::min(newest, value_of(*copy)));
        newest = std::max(newest, value_of(*copy));
    }
    History& history = history_[key];
    history.twice = std::max(history.twice, second);
}

bool Checker::single(const RecordKey& key) const {
    const Copy* dmaster = nullptr;
    for (const auto& host : hosts_) {
        const Copy* copy = host->store.find(key);
        if (copy != nullptr && copy->dmaster) dmaster = copy;
    }
    if (dmaster == nullptr || dmaster->sequence == 0 || dmaster->holder != 0) return false;
    size_t same = 0;
    for (const auto& host : hosts_) {
        const Copy* copy = host->store.find(key);
        if (copy != nullptr && copy->sequence == dmaster->sequence && copy->value == dmaster->value) same++;
    }
    return same < 2;
}

void Checker::step(Host& host, Time now) {
    const bool lease = serves(host, now);
    const bool revived = lease && !host.had_lease;
    host.had_lease = lease;
    const std::vector<RecordKey> changed = host.store.take_changed();
    for (const RecordKey& key : changed) {
        if (is_mirrored(key)) note_copies(key);
    }
    if (lease) {
        check_lease(host, now);
        check_addresses(host, now);
    }
    if (revived || ++steps_ % 64 == 0) {
        for (const RecordKey& key : keys_) check_record(key, now);
    } else {
        for (const RecordKey& key : changed) check_record(key, now);
    }
}

void Checker::check_lease(const Host& host, Time now) {
    if (serves(host, now) && find_session(view_, host.pnn, host.shared.lease.session) == nullptr)
        violated(describe(host) + " has a lease and is no member");
}

void Checker::check_record(const RecordKey& key, Time now) {
    const Host* dmaster = nullptr;
    for (const auto& host : hosts_) {
        if (!serves(*host, now)) continue;
        const Slot slot = slot_of(key, static_cast<uint32_t>(host->shared.gates.size()));
        const Copy* copy = host->shared.gates[slot].open ? host->store.find(key) : nullptr;
        if (copy == nullptr || !copy->dmaster) continue;
        if (dmaster != nullptr) violated(describe(key) + " has two dmasters: " + describe(*dmaster) + " and " + describe(*host));
        dmaster = host.get();
    }
}

void Checker::check_addresses(const Host& host, Time now) {
    if (host.addresses.empty()) return;
    for (const auto& other : hosts_) {
        if (other.get() == &host || other->addresses.empty() || !serves(*other, now)) continue;
        for (const AddressId address : host.addresses) {
            if (other->addresses.contains(address))
                violated("address " + std::to_string(address) + " is on " + describe(host) + " and on " + describe(*other));
        }
    }
}

}  // namespace Atoll::ctdb::sim
