#include "ctdb/sim/planting.h"

#include "ctdb/sim/world.h"

namespace Atoll::ctdb::sim {
namespace {

// What many of the faults have to be, or it takes many seeds: a leader loses its lock and does not hear of the next one.
std::vector<Fault> favoured_by(Planted planted) {
    switch (planted) {
        case Planted::eternal_lock: return {Fault::lock_unreachable, Fault::partition};
        default: return {};
    }
}

}  // namespace

// Few nodes and rare faults: what a broken rule does is not hidden by the next fault.
Options options_for(Planted planted) {
    Options options;
    options.planted = planted;
    options.nodes = planted == Planted::half_is_majority || planted == Planted::forgets_voters ? 4 : 3;
    options.favoured = favoured_by(planted);
    options.fault_interval = options.favoured.empty() ? 2000 : 1000;
    options.lock = planted < first_of_majority ? Options::Lock::service : Options::Lock::none;
    return options;
}

std::optional<Found> find(Planted planted) {
    Options options = options_for(planted);
    for (options.seed = 1; options.seed <= most_seeds_of_planted; options.seed++) {
        Outcome outcome = World(options).run();
        if (outcome.violation && !outcome.stalled) return Found{options.seed, std::move(*outcome.violation)};
    }
    return std::nullopt;
}

}  // namespace Atoll::ctdb::sim
