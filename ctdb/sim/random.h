// Random numbers that are the same for the same seed on every machine (splitmix64).
#pragma once

#include <cstddef>
#include <cstdint>

namespace Atoll::ctdb::sim {

class Random {
 public:
    explicit Random(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15 + 1) {}

    uint64_t next() {
        uint64_t z = (state_ += 0x9E3779B97F4A7C15);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
    uint64_t below(uint64_t limit) { return next() % limit; }
    uint64_t between(uint64_t low, uint64_t high) { return low + below(high - low + 1); }
    bool one_in(uint64_t n) { return below(n) == 0; }
    bool per_million(uint64_t n) { return below(1000000) < n; }

 private:
    uint64_t state_;
};

}  // namespace Atoll::ctdb::sim
