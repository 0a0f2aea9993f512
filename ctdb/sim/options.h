#pragma once

#include <vector>

#include "ctdb/core/config.h"
#include "ctdb/sim/faults.h"

namespace Atoll::ctdb::sim {

struct Options {
    uint64_t seed = 1;
    uint32_t nodes = 0;           // 0: 3 to 16, as the seed says
    uint64_t steps = 100000;      // after which faults end, and everything has to come right again
    uint64_t fault_interval = 0;  // milliseconds of virtual time between two faults, in the mean; 0: as the seed says
    bool faults = true;
    std::vector<Fault> favoured;  // every other fault of a node is one of these, if there are any
    uint32_t slots = 32;
    uint32_t keys = 24;
    uint32_t addresses = 0;  // 0: as the seed says
    bool own_slots = false;  // clients use only records whose slots their node locates
    bool transactions = true;
    bool mirrored = true;                                             // records of mirrored databases are among them
    bool readers = true;                                              // there are clients that only read
    enum class Lock { by_seed, service, none } lock = Lock::by_seed;  // none: nodes lead by majority
    Planted planted = Planted::none;
    bool trace = false;  // prints every event and action
};

}  // namespace Atoll::ctdb::sim
