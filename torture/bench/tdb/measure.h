// Lets some processes do a work on one file for a while.
#pragma once

#include "torture/bench/tdb/work.h"

namespace Atoll::bench {

struct Outcome {
    double rate = 0;             // operations a second of all processes together
    double cpu_nanoseconds = 0;  // of processor for each operation, system calls included
    bool done = true;            // every process did some
};

// The processes are forked with the store open, begin together and stop after `seconds`.
Outcome measure(Store& store, const Work& work, unsigned processes, double seconds);

}  // namespace Atoll::bench
