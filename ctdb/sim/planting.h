// Each rule of the protocol broken in turn: the simulator has to notice, by an invariant and not only because nothing goes on.
#pragma once

#include <optional>
#include <string>

#include "ctdb/sim/options.h"

namespace Atoll::ctdb::sim {

constexpr uint64_t most_seeds_of_planted = 1000;

struct Found {
    uint64_t seed = 0;
    std::string violation;  // with the virtual time
};

// A world in which it shows soon.
Options options_for(Planted planted);

// The first of so many seeds that shows it.
std::optional<Found> find(Planted planted);

}  // namespace Atoll::ctdb::sim
