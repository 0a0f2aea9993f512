#include <gtest/gtest.h>

#include "ctdb/sim/world.h"

namespace Atoll::ctdb::sim {
namespace {

TEST(Simulator, ACalmClusterComesUpAndWorks) {
    Options options;
    options.faults = false;
    options.nodes = 3;
    options.steps = 20000;
    const Outcome outcome = World(options).run();
    EXPECT_EQ(outcome.violation.value_or(""), "");
    EXPECT_GT(outcome.changes, 1000U);
    EXPECT_EQ(outcome.transitions.count(Transition::session_ended), 0U);
    EXPECT_EQ(outcome.transitions.count(Transition::lease_lapsed), 0U);
}

TEST(Simulator, TheSameSeedGivesTheSameRun) {
    Options options;
    options.seed = 7;
    options.steps = 20000;
    const Outcome first = World(options).run();
    const Outcome second_run = World(options).run();
    EXPECT_EQ(first.digest, second_run.digest);
    EXPECT_EQ(first.delivered, second_run.delivered);
    options.seed = 8;
    EXPECT_NE(World(options).run().digest, first.digest);
}

}  // namespace
}  // namespace Atoll::ctdb::sim
