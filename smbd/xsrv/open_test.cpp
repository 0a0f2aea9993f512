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

TEST(Slot, IdentifiersHaveTheirMeaningsLeft) {
    EXPECT_NE(local_open_id(0), 0u);
    EXPECT_NE(local_open_id(~uint64_t{0}), ~uint64_t{0});
    EXPECT_NE(local_session_id(0xAAAA'0000'0000), 0u);
    EXPECT_LE(local_session_id(~uint64_t{0}), 0xFFFFFFFEu);
    EXPECT_EQ(slot_of_session(local_session_id(0x12345678)), 0x12345678u >> 22);
    EXPECT_EQ(slot_of_open(uint64_t{0x3FF} << 54), 0x3FFu);
}

}  // namespace
}  // namespace Atoll::xsrv
