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

std::vector<Placed> items_of(const std::vector<Pnn>& current, const std::vector<std::vector<Pnn>>& able) {
    std::vector<Placed> items;
    for (size_t index = 0; index < current.size(); index++) items.push_back({current[index], able[index]});
    return items;
}

TEST(Placement, AnItemIsOnlyWhereItCanBe) {
    const std::vector<std::vector<Pnn>> able = {{0}, {0, 1}, {1, 2}, {}, {0, 1, 2}};
    const auto placed = place(items_of(std::vector<Pnn>(5, no_node), able));
    EXPECT_EQ(placed[0], 0U);
    EXPECT_EQ(placed[3], no_node);
    for (size_t item = 0; item < able.size(); item++)
        EXPECT_TRUE(able[item].empty() || std::count(able[item].begin(), able[item].end(), placed[item]) == 1);
    EXPECT_EQ(place(items_of(placed, able)), placed);
}

// 0 has three, of which 2, which has none, can take only what 1 could give it.
TEST(Placement, AChainOfItemsMovesWhereNoSingleOneCan) {
    const std::vector<std::vector<Pnn>> able = {{0, 1}, {0, 1}, {0, 1}, {1, 2}};
    const auto placed = place(items_of({0, 0, 0, 1}, able));
    EXPECT_EQ(load(placed, 0), 2U);
    EXPECT_EQ(load(placed, 1), 1U);
    EXPECT_EQ(load(placed, 2), 1U);
}

TEST(Placement, ItemsThatAllCanHaveMoveAsSlotsDo) {
    const std::vector<Pnn> before = {0, 0, 0, 1, 1, 1};
    const auto after = place(items_of(before, std::vector<std::vector<Pnn>>(6, {0, 1, 2})));
    EXPECT_EQ(moved(before, after), 2U);
    EXPECT_EQ(load(after, 2), 2U);
}

TEST(Placement, WithoutBalanceOnlyTheHomelessMove) {
    const auto after = place(items_of({0, 0, 0, 7}, std::vector<std::vector<Pnn>>(4, {0, 1})), false);
    EXPECT_EQ(after, (std::vector<Pnn>{0, 0, 0, 1}));
}

TEST(Placement, WithoutNodesNothingIsPlaced) {
    EXPECT_EQ(place(std::vector<Pnn>{1, 2}, std::vector<Pnn>{}), (std::vector<Pnn>{no_node, no_node}));
}

}  // namespace
}  // namespace Atoll::ctdb
