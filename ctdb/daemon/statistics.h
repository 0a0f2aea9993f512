// What ctdbd counts: since it started or they were reset, and in each of the last intervals.
#pragma once

#include <deque>
#include <map>
#include <vector>

#include "ctdb/core/types.h"
#include "ctdb/protocol/client.idl.h"

namespace Atoll::ctdb {

// The keys that come most often, found with a fixed number of counters: a key that is not among them takes the place of the least, and its
// count, so that a hot one is never missed and a count is at most that much too high.
class HotKeys {
 public:
    void came(const Value& key);
    [[nodiscard]] std::vector<protocol::hot_key> hottest() const;

 private:
    std::map<Value, uint64_t> counts_;
};

class Statistics {
 public:
    using Counter = uint64_t protocol::statistics::*;
    using Latency = protocol::latency protocol::statistics::*;

    // `now`: microseconds since 1970.
    explicit Statistics(uint64_t now);

    void count(Counter counter, uint64_t times = 1);
    void lasted(Latency latency, uint64_t microseconds);
    // Of a database's records.
    void called(uint32_t database);
    void arrived(const RecordKey& key);
    void forget(uint32_t database) { databases_.erase(database); }

    // Often: ends the interval if it has lasted so many seconds.
    void tick(uint64_t now, uint32_t interval);
    void reset(uint64_t now);
    // 0: since the reset; n: the nth last interval. Code::not_found: there are not so many.
    [[nodiscard]] Result<protocol::statistics> of(uint32_t index, uint64_t now) const;
    [[nodiscard]] protocol::database_statistics of_database(uint32_t database) const;

 private:
    struct OfDatabase {
        uint64_t calls = 0;
        uint64_t arrivals = 0;
        HotKeys hot;
    };

    protocol::statistics total_;
    protocol::statistics interval_;
    std::deque<protocol::statistics> history_;  // the newest first
    std::map<uint32_t, OfDatabase> databases_;
};

}  // namespace Atoll::ctdb
