// Random values of generated types, for round-trip properties and for seeding fuzzers: the same seed gives the same values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/guid.h"
#include "base/sid.h"

namespace Atoll::idl {

class Arbitrary {
 public:
    explicit Arbitrary(uint64_t seed) : state_(seed) {}

    uint64_t u64();                  // often an edge value: 0, 1, all ones, a single bit
    uint64_t below(uint64_t limit);  // uniform in [0, limit)
    bool boolean() { return below(2) == 1; }
    size_t count(size_t limit);  // small: at most 5
    Guid guid();
    Sid sid();
    void utf8(std::string& out, size_t limit);
    void path(std::string& out, size_t limit);
    void blob(std::vector<uint8_t>& out, size_t limit);

 private:
    uint64_t next();
    uint64_t state_;
};

}  // namespace Atoll::idl
