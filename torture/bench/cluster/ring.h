// A record that every node of a cluster wants all the time, and a bare message that goes around as many processes, in alternation.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace Atoll::bench {

struct RingOptions {
    std::vector<std::string> sockets;  // of the nodes' ctdbd
    uint64_t moves = 0;                // of the record from node to node, and messages, in each round
    unsigned rounds = 1;
};

// Prints one line of JSON. `rounds`: of each the microseconds of a move and of a message; `visits`: how often the record was locked in all
// rounds, at least once for each move.
void run_ring(const RingOptions& options);

}  // namespace Atoll::bench
