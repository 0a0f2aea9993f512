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

TEST(Simulator, ACalmClusterLeadsByMajority) {
    Options options;
    options.faults = false;
    options.lock = Options::Lock::none;
    options.steps = 20000;
    for (options.nodes = 2; options.nodes <= 4; options.nodes++) {
        const Outcome outcome = World(options).run();
        EXPECT_EQ(outcome.violation.value_or(""), "");
        EXPECT_GT(outcome.changes, 500U);
        EXPECT_EQ(outcome.transitions.count(Transition::votes_won), 1U);
        EXPECT_EQ(outcome.transitions.count(Transition::majority_lost), 0U);
        EXPECT_EQ(outcome.transitions.count(Transition::session_ended), 0U);
        EXPECT_EQ(outcome.transitions.count(Transition::lease_lapsed), 0U);
    }
}

// Records in slots that their node locates are made, changed and removed without a message; but the mirrored ones go to their mirrors.
TEST(Simulator, WhatIsMadeAndEndsWhereItIsLocatedSendsNothing) {
    Options options;
    options.faults = false;
    options.transactions = false;
    options.own_slots = true;
    options.nodes = 3;
    options.steps = 20000;
    options.mirrored = false;
    const Outcome outcome = World(options).run();
    EXPECT_EQ(outcome.violation.value_or(""), "");
    EXPECT_GT(outcome.changes, 1000U);
    EXPECT_EQ(outcome.of_records, 0U);
    EXPECT_GT(outcome.transitions.count(Transition::record_vacuumed_here), 10U);
    EXPECT_EQ(outcome.transitions.count(Transition::record_vacuumed), 0U);
    options.own_slots = false;
    const Outcome other = World(options).run();
    EXPECT_GT(other.of_records, 1000U);
    EXPECT_GT(other.transitions.count(Transition::record_vacuumed), 10U);
}

// Readers get copies, which those who change the record have them give up.
TEST(Simulator, ReadersHaveCopies) {
    Options options;
    options.faults = false;
    options.transactions = false;
    options.nodes = 3;
    options.steps = 20000;
    const Outcome outcome = World(options).run();
    EXPECT_EQ(outcome.violation.value_or(""), "");
    EXPECT_GT(outcome.reads, 1000U);
    EXPECT_GT(outcome.transitions.count(Transition::delegation_came), 50U);
    EXPECT_GT(outcome.transitions.count(Transition::delegations_ended), 20U);
    EXPECT_EQ(outcome.transitions.count(Transition::delegation_lost), 0U);
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
