// What goes wrong, and how often each kind did in each phase of the node that it struck.
#pragma once

#include <array>
#include <cstdint>

#include "ctdb/core/phases.h"

namespace Atoll::ctdb::sim {

enum class Fault : uint8_t {
    loss,              // a message never arrives
    delay,             // it arrives late, perhaps after later ones
    duplicate,         // it arrives twice
    partition,         // a node and others do not hear each other
    one_way,           // a node is not heard, or does not hear
    crash,             // the node ends, and its supervisor can say nothing; it starts again later
    daemon_crash,      // its ctdbd ends; its supervisor ends its clients and says so
    blackout,          // all machines end at once, this one among them
    stop,              // its ctdbd stands still, and its clients go on
    freeze,            // the whole machine stands still
    clock_jump,        // its clock leaps forward
    lock_unreachable,  // the storage of the cluster lock is cut off from it
    slow_disk,         // and what it asks of the lock, the register and its disk takes long
    full_disk,         // what it writes to the register and to its databases is refused
    client_death,      // a client dies with the locks that it holds
    flags,             // an administrator or the monitor changes the node's flags
    policy,            // an administrator changes what holds for bans and addresses
    listing,           // it reads the list of nodes, from which another has gone or to which it has come back
    count
};

const char* name_of(Fault fault);

// Faults of messages are counted where they would have arrived; the others strike a node.
constexpr Fault first_of_nodes = Fault::partition;
constexpr Fault last_of_nodes = Fault::listing;

class FaultTable {
 public:
    void struck(Fault fault, Phase phase) { counts_[static_cast<size_t>(fault)][static_cast<size_t>(phase)]++; }
    [[nodiscard]] uint64_t count(Fault fault, Phase phase) const { return counts_[static_cast<size_t>(fault)][static_cast<size_t>(phase)]; }
    [[nodiscard]] uint64_t total() const {
        uint64_t sum = 0;
        for (const auto& row : counts_) {
            for (const uint64_t count : row) sum += count;
        }
        return sum;
    }
    // Faults of nodes in that phase.
    [[nodiscard]] uint64_t in(Phase phase) const {
        uint64_t sum = 0;
        for (auto fault = static_cast<size_t>(first_of_nodes); fault <= static_cast<size_t>(last_of_nodes); fault++)
            sum += counts_[fault][static_cast<size_t>(phase)];
        return sum;
    }
    void add(const FaultTable& other) {
        for (size_t fault = 0; fault < counts_.size(); fault++) {
            for (size_t phase = 0; phase < counts_[fault].size(); phase++) counts_[fault][phase] += other.counts_[fault][phase];
        }
    }

 private:
    std::array<std::array<uint64_t, static_cast<size_t>(Phase::count)>, static_cast<size_t>(Fault::count)> counts_{};
};

}  // namespace Atoll::ctdb::sim
