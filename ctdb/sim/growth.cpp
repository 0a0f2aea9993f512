// What a cluster of many nodes and records costs: messages and virtual time, without faults but for one node that is lost.
#include <algorithm>
#include <ctime>

#include "ctdb/sim/world.h"

namespace Atoll::ctdb::sim {
namespace {

constexpr uint64_t measured_changes = 50000;
constexpr Time look_again = millisecond;

double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

}  // namespace

void World::advance_until(const std::function<bool()>& condition) {
    for (Time looked = 0; !checker_.violation();) {
        schedule_.advance();
        if (schedule_.now() - looked < look_again) continue;
        looked = schedule_.now();
        if (condition()) return;
    }
}

// All nodes that are up are the members, and no slot is being recovered.
bool World::all_settled() const {
    size_t up = 0;
    for (const auto& host : hosts_) up += host->up ? 1 : 0;
    for (const auto& host : hosts_) {
        if (!host->up) continue;
        const Core& core = *host->core;
        if (core.session() == 0 || core.view().members.size() != up || !core.settled() || core.recovering()) return false;
    }
    return true;
}

// No client has a record or waits for one: a recovery would wait for those that keep theirs for long.
bool World::at_rest() const {
    for (const auto& host : hosts_) {
        if (std::ranges::any_of(host->workers, [](const Worker& worker) { return worker.state != Worker::State::idle; })) return false;
    }
    return true;
}

uint64_t World::changes() const {
    uint64_t sum = 0;
    for (const auto& host : hosts_) {
        for (const Worker& worker : host->workers) sum += worker.done;
    }
    return sum;
}

Cost World::measure() {
    Cost cost;
    cost.nodes = options_.nodes;
    cost.records = keys_.size();
    checker_.sample();
    work_ = Work::none;
    advance_until([this] { return all_settled(); });

    Time since = schedule_.now();
    uint64_t before = outcome_.delivered;
    advance_until([this, since] { return schedule_.now() >= since + second; });
    cost.idle_messages = static_cast<double>(outcome_.delivered - before) / static_cast<double>(cost.nodes);

    think_ = 10;
    work_ = Work::fill;
    advance_until([this] { return changes() >= keys_.size(); });

    work_ = Work::mixed;
    think_ = millisecond;
    before = outcome_.of_records;
    const uint64_t filled = changes();
    advance_until([this, filled] { return changes() >= filled + measured_changes; });
    cost.messages_per_change = static_cast<double>(outcome_.of_records - before) / static_cast<double>(changes() - filled);

    work_ = Work::none;
    advance_until([this] { return at_rest(); });
    since = schedule_.now();
    advance_until([this, since] { return schedule_.now() >= since + second; });
    since = schedule_.now();
    before = outcome_.of_recoveries;
    stays_down_ = true;
    const double processor_before = processor_seconds();
    const bool leads = lock_.holder() && lock_.holder()->pnn == hosts_.back()->pnn;
    crash(leads ? *hosts_.front() : *hosts_.back(), true);
    advance_until([this] { return all_settled(); });
    cost.recovery_time = schedule_.now() - since;
    cost.recovery_processor = (processor_seconds() - processor_before) / cost.nodes;
    cost.recovery_messages = outcome_.of_recoveries - before;
    cost.violation = checker_.violation().value_or("");
    return cost;
}

}  // namespace Atoll::ctdb::sim
