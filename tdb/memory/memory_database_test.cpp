#include "tdb/memory/memory_database.h"

#include "tdb/conformance.h"

namespace Atoll::tdb {
namespace {

INSTANTIATE_TEST_SUITE_P(Memory, Conformance, testing::Values(Store{"memory", [] { return MemoryDatabase::open({}); }}),
                         [](const auto& store) { return store.param.name; });

TEST(MemoryDatabase, FaultsComeWhenTheyAreDue) {
    auto database = MemoryDatabase::open({.name = "m"});
    database->fail_writes(2, Code::no_space, 2);
    EXPECT_TRUE(database->store(as_bytes("a"), as_bytes("1")).ok());
    EXPECT_EQ(database->store(as_bytes("a"), as_bytes("2")).error().code, Code::no_space);
    EXPECT_EQ(database->remove(as_bytes("a")).error().code, Code::no_space);
    Buffer value;
    ASSERT_TRUE(*database->fetch(as_bytes("a"), value));
    EXPECT_EQ(as_text(value), "1");
    EXPECT_TRUE(database->store(as_bytes("a"), as_bytes("3")).ok());
}

TEST(MemoryDatabase, AFailedCommitLeavesNothing) {
    auto database = MemoryDatabase::open({.name = "m"});
    ASSERT_TRUE(database->begin().ok());
    ASSERT_TRUE(database->store(as_bytes("a"), as_bytes("1")).ok());
    database->fail_writes(1, Code::io);
    EXPECT_EQ(database->commit().error().code, Code::io);
    EXPECT_FALSE(*database->exists(as_bytes("a")));
}

TEST(Ranks, AscendingIsAllowedAndDescendingIsNot) {
    auto session = MemoryDatabase::open({.name = "session", .rank = Rank::session});
    auto open = MemoryDatabase::open({.name = "open", .rank = Rank::open});
    auto first = session->fetch_locked(as_bytes("z"));
    ASSERT_TRUE(first.ok());
    auto second = open->fetch_locked(as_bytes("a"));
    ASSERT_TRUE(second.ok());
    auto third = open->try_fetch_locked(as_bytes("b"));
    EXPECT_TRUE(third.ok());
    EXPECT_EQ(held_records(), 3u);
    EXPECT_DEATH((void)session->fetch_locked(as_bytes("zz")), "");
    EXPECT_DEATH((void)session->exists(as_bytes("zz")), "");
}

}  // namespace
}  // namespace Atoll::tdb
