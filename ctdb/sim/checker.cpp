#include "ctdb/sim/checker.h"

#include <algorithm>

#include "base/bytes.h"

namespace Atoll::ctdb::sim {
namespace {

constexpr size_t most_looked_at = 1024;
constexpr uint64_t sampled = 64;  // one event of so many

std::string describe(const RecordKey& key) { return "record " + std::to_string(number_of(key)); }
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
    if (view.level < view_.level) violated("the format level fell to " + std::to_string(view.level));
    view_ = view;
    for (const auto& host : hosts_) {
        if (is_member(*host) && host->newest_level < view.level)
            violated(describe(*host) + " cannot read format level " + std::to_string(view.level));
        check_lease(*host, now);
    }
    lower_floors();
}

void Checker::host_lost(Time) { lower_floors(); }

// What only nodes had that are no members any more may be lost.
void Checker::lower_floors() {
    if (samples_) return;
    for (auto& [key, history] : history_) {
        uint64_t kept = 0;
        for (const auto& host : hosts_) {
            const Copy* copy = is_member(*host) ? host->store.find(key) : nullptr;
            if (copy != nullptr) kept = std::max(kept, number_in(history, *copy));
        }
        history.floor = std::min(history.floor, kept);
        history.twice = std::min(history.twice, kept);
    }
}

uint64_t Checker::number_in(const History& history, const Copy& copy) {
    if (!copy.value.empty()) return value_of(copy);
    const auto has = [&copy](const Removal& removal) {
        return copy.rsn != removal.head.rsn ? copy.rsn > removal.head.rsn : copy.sequence >= removal.head.sequence;
    };
    const auto newest = std::find_if(history.removals.rbegin(), history.removals.rend(), has);
    return newest != history.removals.rend() ? newest->number : 0;
}

uint64_t Checker::locked(const Host& host, const Worker& worker, uint64_t value, Time now) {
    for (const auto& other : hosts_) {
        if (other.get() == &host || !serves(*other, now)) continue;
        for (const Worker& holder : other->workers) {
            const bool holds = holder.state == Worker::State::holding || holder.state == Worker::State::mirroring;
            if (holds && holder.key == worker.key && holder.session == other->shared.lease.session)
                violated(describe(worker.key) + " is locked on " + describe(host) + " and on " + describe(*other));
        }
    }
    check_readers(host, worker.key, now);
    return saw(host, worker.key, value);
}

// Beside the lock nobody reads a copy of the record: what it is changed to is all that can be read then.
void Checker::check_readers(const Host& host, const RecordKey& key, Time now) {
    const SlotGate& gate = host.shared.gates[host.store.slot_of(key)];
    for (const auto& other : hosts_) {
        if (other.get() == &host || !serves(*other, now)) continue;
        const Copy* copy = other->store.find(key);
        const SlotGate& its_gate = other->shared.gates[other->store.slot_of(key)];
        if (copy != nullptr && copy->delegated && is_readable(*copy, its_gate))
            violated(describe(key) + " is locked on " + describe(host) + " in epoch " + std::to_string(gate.epoch) + " while " +
                     describe(*other) + " may read a copy");
    }
}

// A copy has all that was stored before, as a lock shows it.
void Checker::read(const Host& host, const RecordKey& key, uint64_t value) { saw(host, key, value); }

uint64_t Checker::saw(const Host& host, const RecordKey& key, uint64_t value) {
    History& history = history_[key];
    // What was never stored, or is removed, has no value; so has what only lost nodes had stored.
    const uint64_t removed = history.removals.empty() ? 0 : history.removals.back().number;
    const uint64_t number = value != 0 ? value : removed >= history.floor ? removed : 0;
    if (number < history.floor || number > history.last) {
        violated(describe(host) + " reads " + std::to_string(number) + " of " + describe(key) + ", which is " +
                 std::to_string(history.last) + " and at least " + std::to_string(history.floor));
    }
    history.last = history.floor = number;
    while (!history.removals.empty() && history.removals.back().number > number) history.removals.pop_back();
    return number;
}

uint64_t Checker::committed(const Host& host, const Worker& worker, bool removes, const CopyHead& head) {
    History& history = history_[worker.key];
    if (history.last != worker.value) {
        violated(describe(host) + " changes " + describe(worker.key) + " from " + std::to_string(worker.value) + ", which is " +
                 std::to_string(history.last) + " by now");
    }
    history.last = history.floor = ++history.given;
    if (removes) {
        history.removals.push_back({history.given, head});
        if (history.removals.size() > most_removals) history.removals.pop_front();
    }
    return history.given;
}

// Of a node that is alone nothing is asked.
void Checker::answered(const Host& host, const Worker& worker) {
    size_t others = 0;
    for (const protocol::member& member : host.core->view().members) others += member.pnn != host.pnn && !member.leaving ? 1 : 0;
    if (others == 0 || history_[worker.key].twice >= worker.value) return;
    violated(describe(host) + " is told that its change of " + describe(worker.key) + " to " + std::to_string(worker.value) +
             " has a mirror, and no other node has had it");
}

// A removal is forgotten only when nothing older is left that could come back.
void Checker::check_removed(const Host& host, const RecordKey& key, const Copy& copy) {
    const History& history = history_[key];
    if (!is_member(host) || !copy.value.empty() || number_in(history, copy) != history.last) return;
    for (const auto& other : hosts_) {
        const Copy* left = is_member(*other) ? other->store.find(key) : nullptr;
        if (left != nullptr && !left->value.empty())
            violated(describe(host) + " forgets that " + describe(key) + " is removed, and " + describe(*other) + " has an older value");
    }
}

void Checker::note_copies(const RecordKey& key) {
    History& history = history_[key];
    uint64_t newest = 0, second = 0;
    for (const auto& host : hosts_) {
        const Copy* copy = host->up && host->core->session() != 0 ? host->store.find(key) : nullptr;
        if (copy == nullptr) continue;
        const uint64_t number = number_in(history, *copy);
        second = std::max(second, std::min(newest, number));
        newest = std::max(newest, number);
    }
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
    for (const auto& [key, copy] : host.store.take_removed()) check_removed(host, key, copy);
    for (const RecordKey& key : changed) {
        if (is_mirrored(key)) note_copies(key);
    }
    if (samples_ && ++steps_ % sampled != 0) return;
    if (lease) {
        check_lease(host, now);
        check_addresses(host, now);
    }
    if (!samples_ && (revived || ++steps_ % 64 == 0)) {
        // All, or some of very many at a time.
        for (size_t count = std::min(keys_.size(), most_looked_at); count > 0; count--) {
            next_ = (next_ + 1) % keys_.size();
            check_record(keys_[next_], now);
        }
    } else {
        for (const RecordKey& key : changed) check_record(key, now);
    }
}

bool Checker::leads(const Host& host, Time now) { return host.up && host.core->leadership().authority_until() > host.clock(now); }

void Checker::check_leaders(const Host& host, Time now) {
    if (!leads(host, now)) return;
    if (host.core->leadership().current().id > view_.id)
        violated(describe(host) +
                 " leads with a view that the next leader may not find: " + std::to_string(host.core->leadership().current().id));
    for (const auto& other : hosts_) {
        if (other.get() != &host && leads(*other, now)) violated(describe(host) + " and " + describe(*other) + " lead");
    }
}

void Checker::check_lease(const Host& host, Time now) {
    if (serves(host, now) && find_session(view_, host.pnn, host.shared.lease.session) == nullptr)
        violated(describe(host) + " has a lease and is no member");
}

void Checker::check_record(const RecordKey& key, Time now) {
    const Host* dmaster = nullptr;
    const Slot slot = hosts_.front()->store.slot_of(key);
    for (const auto& host : hosts_) {
        if (!serves(*host, now)) continue;
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
