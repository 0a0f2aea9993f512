#include "smbd/xsrv/open.h"

#include <gtest/gtest.h>

#include <set>

#include "smbd/xsrv/slot.h"

namespace Atoll::xsrv {
namespace {

TEST(OpenTable, FindsByBothIds) {
    OpenTable table;
    const Ref<Open> open = table.add();
    EXPECT_EQ(table.find(open->persistent_id, open->volatile_id), open);
    EXPECT_FALSE(table.find(open->persistent_id + 1, open->volatile_id));
    EXPECT_FALSE(table.find(open->persistent_id, open->volatile_id + 1));
    EXPECT_FALSE(table.find(~uint64_t{0}, ~uint64_t{0}));
}

TEST(OpenTable, AnIdIsNotFoundOnceItsOpenIsGone) {
    OpenTable table;
    std::set<uint64_t> volatile_ids;
    for (int i = 0; i < 1000; i++) {
        const Ref<Open> open = table.add();
        const uint64_t persistent_id = open->persistent_id;
        const uint64_t volatile_id = open->volatile_id;
        EXPECT_TRUE(volatile_ids.insert(volatile_id).second) << "a slot's next open has another volatile id";
        table.remove(*open);
        EXPECT_FALSE(table.find(persistent_id, volatile_id));
    }
    EXPECT_EQ(table.size(), 0u);
}

TEST(OpenTable, AReferenceKeepsARemovedOpen) {
    OpenTable table;
    Ref<Open> kept = table.add();
    table.remove(*kept);
    EXPECT_EQ(kept->file, nullptr);
    const Ref<Open> other = table.add();
    EXPECT_FALSE(other == kept) << "memory that is referred to is not given again";
}

TEST(OpenTable, StopsAtItsLimit) {
    OpenTable table(3);
    const Ref<Open> opens[] = {table.add(), table.add(), table.add()};
    EXPECT_TRUE(opens[2]);
    EXPECT_FALSE(table.add());
    table.remove(*opens[1]);
    EXPECT_TRUE(table.add());
}

TEST(OpenTable, VisitorsMayRemove) {
    OpenTable table;
    for (int i = 0; i < 10; i++) (void)table.add();
    table.for_each([&](const Ref<Open>& open) { table.remove(*open); });
    EXPECT_EQ(table.size(), 0u);
}

TEST(OpenTable, OpensAreInSlotsOfTheNode) {
    uint32_t next = 7;
    set_own_slots([&] { return std::optional(next++); });
    OpenTable table;
    const Ref<Open> first = table.add(), second = table.add();
    EXPECT_EQ(slot_of_open(first->persistent_id), 7u);
    EXPECT_EQ(slot_of_open(second->persistent_id), 8u);
    table.renew_persistent_id(*second);
    EXPECT_EQ(slot_of_open(second->persistent_id), 9u);
    set_own_slots({});
}

}  // namespace
}  // namespace Atoll::xsrv
