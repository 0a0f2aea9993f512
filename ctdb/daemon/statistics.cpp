#include "ctdb/daemon/statistics.h"

#include <algorithm>

#include "ctdb/daemon/limits.h"

namespace Atoll::ctdb {

void HotKeys::came(const Value& key) {
    const auto found = counts_.find(key);
    if (found != counts_.end()) {
        found->second++;
        return;
    }
    uint64_t inherited = 0;
    if (counts_.size() >= limits::max_hot_keys) {
        const auto least =
            std::min_element(counts_.begin(), counts_.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
        inherited = least->second;
        counts_.erase(least);
    }
    counts_.emplace(key, inherited + 1);
}

std::vector<protocol::hot_key> HotKeys::hottest() const {
    std::vector<protocol::hot_key> all;
    for (const auto& [key, count] : counts_) all.push_back({count, key});
    std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.count > b.count; });
    if (all.size() > protocol::HOT_KEYS) all.resize(protocol::HOT_KEYS);
    return all;
}

Statistics::Statistics(uint64_t now) { total_.since = interval_.since = now; }

void Statistics::count(Counter counter, uint64_t times) {
    total_.*counter += times;
    interval_.*counter += times;
}

void Statistics::lasted(Latency latency, uint64_t microseconds) {
    for (protocol::statistics* part : {&total_, &interval_}) {
        protocol::latency& of = part->*latency;
        of.least = of.count == 0 ? microseconds : std::min(of.least, microseconds);
        of.most = std::max(of.most, microseconds);
        of.total += microseconds;
        of.count++;
    }
}

void Statistics::called(uint32_t database) {
    count(&protocol::statistics::total_calls);
    databases_[database].calls++;
}

void Statistics::arrived(const RecordKey& key) {
    OfDatabase& database = databases_[key.database];
    database.arrivals++;
    database.hot.came(key.key);
}

void Statistics::tick(uint64_t now, uint32_t interval) {
    if (now - interval_.since < uint64_t{interval} * second) return;
    interval_.now = now;
    history_.push_front(interval_);
    if (history_.size() > limits::max_statistics_history) history_.pop_back();
    interval_ = protocol::statistics();
    interval_.since = now;
}

// What was in the last intervals stays.
void Statistics::reset(uint64_t now) {
    total_ = protocol::statistics();
    total_.since = now;
    databases_.clear();
}

Result<protocol::statistics> Statistics::of(uint32_t index, uint64_t now) const {
    if (index > history_.size()) return fail(Code::not_found, "statistics", "there are not so many");
    protocol::statistics found = index == 0 ? total_ : history_[index - 1];
    if (index == 0) found.now = now;
    return found;
}

protocol::database_statistics Statistics::of_database(uint32_t database) const {
    protocol::database_statistics found;
    const auto of = databases_.find(database);
    if (of == databases_.end()) return found;
    found.calls = of->second.calls;
    found.arrivals = of->second.arrivals;
    found.hot_keys = of->second.hot.hottest();
    return found;
}

}  // namespace Atoll::ctdb
