// What the survivors of a cluster can do with its volatile records while one of its nodes dies (docs/cluster.md, "Slots and records").
//
// Each node makes its share of the records: seven of eight in slots that it locates itself. The eighth is, at the node that is to die, in
// one of every four slots that others locate, and at the others in a slot which that one locates. So three kinds of slots have records:
// located by the lost node, located by a survivor with records of the lost node in them, and those of which it has nothing, which are
// untouched. No other database of the cluster may have records: they would touch slots too.
//
// Then the node's ctdbd is killed. At each survivor one process goes on to change records of untouched slots, and counts whether any of
// them had to ask ctdbd; another one looks when each of the others is in use again.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace Atoll::bench {

// Fewer records do not reach every slot.
constexpr uint64_t least_records = 24576;

struct RecoveryOptions {
    std::vector<std::string> sockets;  // of the nodes' ctdbd
    uint64_t records = least_records;
    unsigned victim = 0;  // which of the nodes dies
    pid_t victim_pid = 0;
};

// Prints one line of JSON, and ends the program with the status 2 where a slot does not come back. Times are milliseconds from the death
// on, as the survivors see it, but `longest_probe_us`.
//     slots_untouched, slots_touched   of the cluster
//     probes, asked                    changes of records of untouched slots, and those of them that had to ask ctdbd
//     closed_first, back_first, back_last, longest_away    of touched slots
//     expected, kept                   records of the survivors, and those of them that are there afterwards with their value
void run_recovery(const RecoveryOptions& options);

}  // namespace Atoll::bench
