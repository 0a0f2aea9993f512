// Each rule of the protocol broken in turn: the simulator has to notice, by an invariant and not only because nothing goes on.
#include <gtest/gtest.h>

#include "ctdb/sim/world.h"

namespace Atoll::ctdb::sim {
namespace {

constexpr uint64_t most_seeds = 1000;

class PlantedFault : public testing::TestWithParam<Planted> {};

TEST_P(PlantedFault, IsFoundWithinAThousandSeeds) {
    Options options;
    options.planted = GetParam();
    options.nodes = 3;  // few nodes and rare faults: what a broken rule does is not hidden by the next fault
    options.fault_interval = 2000;
    options.lock = options.planted < first_of_majority ? Options::Lock::service : Options::Lock::none;
    if (options.planted == Planted::half_is_majority || options.planted == Planted::forgets_voters) options.nodes = 4;
    for (options.seed = 1; options.seed <= most_seeds; options.seed++) {
        const Outcome outcome = World(options).run();
        if (!outcome.violation || outcome.stalled) continue;
        RecordProperty("seed", static_cast<int>(options.seed));
        std::printf("    %s: seed %lu, %s\n", name_of(GetParam()), options.seed, outcome.violation->c_str());
        return;
    }
    FAIL() << name_of(GetParam()) << " was not found";
}

std::vector<Planted> all_planted() {
    std::vector<Planted> all;
    for (auto planted = static_cast<uint8_t>(Planted::none) + 1; planted < static_cast<uint8_t>(Planted::count); planted++)
        all.push_back(static_cast<Planted>(planted));
    return all;
}

INSTANTIATE_TEST_SUITE_P(Rules, PlantedFault, testing::ValuesIn(all_planted()),
                         [](const auto& rule) { return std::string(name_of(rule.param)); });

}  // namespace
}  // namespace Atoll::ctdb::sim
