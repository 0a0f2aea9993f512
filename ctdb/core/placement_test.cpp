#include "ctdb/core/placement.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace Atoll::ctdb {
namespace {

size_t load(const std::vector<Pnn>& placed, Pnn pnn) { return static_cast<size_t>(std::count(placed.begin(), placed.end(), pnn)); }

size_t moved(const std::vector<Pnn>& before, const std::vector<Pnn>& after) {
    size_t count = 0;
    for (size_t item = 0; item < before.size(); item++) count += before[item] != after[item] ? 1 : 0;
    return count;
}

TEST(Placement, NoTwoNodesDifferByMoreThanOne) {
    for (size_t items = 0; items < 40; items++) {
        for (Pnn nodes = 1; nodes < 9; nodes++) {
            std::vector<Pnn> all;
            for (Pnn pnn = 0; pnn < nodes; pnn++) all.push_back(pnn * 3);
            const auto placed = place(std::vector<Pnn>(items, no_node), all);
            for (const Pnn pnn : all) {
                EXPECT_GE(load(placed, pnn), items / nodes);
                EXPECT_LE(load(placed, pnn), (items + nodes - 1) / nodes);
            }
        }
    }
}

TEST(Placement, ALostNodesItemsMoveAndNoOthers) {
    const auto before = place(std::vector<Pnn>(12, no_node), {0, 1, 2, 3});
    const auto after = place(before, {0, 1, 3});
    EXPECT_EQ(moved(before, after), 3U);
    EXPECT_EQ(load(after, 2), 0U);
    EXPECT_EQ(place(after, {0, 1, 3}), after);
}

TEST(Placement, ANewNodeGetsItsShareAndNothingElseMoves) {
    const auto before = place(std::vector<Pnn>(1024, no_node), {0, 1, 2});
    const auto after = place(before, {0, 1, 2, 3});
    EXPECT_EQ(load(after, 3), 256U);
    EXPECT_EQ(moved(before, after), 256U);
}

TEST(Placement, WithoutNodesNothingIsPlaced) { EXPECT_EQ(place({1, 2}, {}), (std::vector<Pnn>{no_node, no_node})); }

}  // namespace
}  // namespace Atoll::ctdb
