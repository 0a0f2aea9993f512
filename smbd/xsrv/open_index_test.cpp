#include "smbd/xsrv/open_index.h"

#include <gtest/gtest.h>

#include "tdb/memory/memory_database.h"

namespace Atoll::xsrv {
namespace {

using Ids = std::vector<uint64_t>;

class OpenIndexTest : public testing::Test {
 protected:
    const Guid guid_ = Guid::random(), other_ = Guid::random();
    const tdb::server_id self_{0, 10, 1}, another_{0, 11, 2};
    std::unique_ptr<tdb::Database> database_ = tdb::MemoryDatabase::open({});
    OpenIndex index_{*database_, self_};
};

TEST_F(OpenIndexTest, WhatIsEnteredIsFoundUntilItIsRemoved) {
    EXPECT_EQ(*index_.find(guid_), Ids());
    ASSERT_TRUE(index_.add(guid_, 1));
    ASSERT_TRUE(index_.add(guid_, 1));
    ASSERT_TRUE(index_.add(guid_, 2));
    ASSERT_TRUE(index_.add(other_, 3));
    EXPECT_EQ(*index_.find(guid_), (Ids{1, 2}));
    ASSERT_TRUE(index_.remove(guid_, 1));
    ASSERT_TRUE(index_.remove(guid_, 3));
    EXPECT_EQ(*index_.find(guid_), Ids{2});
    ASSERT_TRUE(index_.remove(guid_, 2));
    EXPECT_FALSE(*database_->exists(guid_.bytes));
    EXPECT_EQ(*index_.find(other_), Ids{3});
}

TEST_F(OpenIndexTest, OneGuidHasSoManyOpensAndNoMore) {
    for (uint64_t id = 1; id <= MAX_SAME_CREATE_GUID; id++) ASSERT_TRUE(index_.add(guid_, id));
    const auto added = index_.add(guid_, 1000);
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error().code, Code::no_space);
    EXPECT_EQ(index_.find(guid_)->size(), size_t{MAX_SAME_CREATE_GUID});
}

// A process was killed between an entry and its record.
TEST_F(OpenIndexTest, TheEndOfAProcessTakesItsEntriesWithoutARecord) {
    OpenIndex others(*database_, another_);
    ASSERT_TRUE(index_.add(guid_, 1));
    ASSERT_TRUE(index_.add(guid_, 2));
    ASSERT_TRUE(others.add(guid_, 3));
    ASSERT_TRUE(index_.add(other_, 4));
    index_.end_holders({messaging::ServerId(self_)}, [](uint64_t id) { return id == 2; });
    EXPECT_EQ(*index_.find(guid_), (Ids{2, 3}));
    EXPECT_EQ(*index_.find(other_), Ids());
}

TEST_F(OpenIndexTest, ADamagedEntryIsNone) {
    ASSERT_TRUE(database_->store(guid_.bytes, Bytes(guid_.bytes).first(3)));
    EXPECT_EQ(*index_.find(guid_), Ids());
    ASSERT_TRUE(index_.add(guid_, 1));
    EXPECT_EQ(*index_.find(guid_), Ids{1});
}

TEST(OpenIndexKeyTest, OnlyPersistentOpensHaveOne) {
    open_global record;
    EXPECT_EQ(index_key_of(record), nullptr);
    record.durable.emplace().create_guid = Guid::random();
    record.durable->kind = handle_kind::HANDLE_DURABLE;
    EXPECT_EQ(index_key_of(record), nullptr);
    record.durable->kind = handle_kind::HANDLE_PERSISTENT;
    ASSERT_NE(index_key_of(record), nullptr);
    EXPECT_EQ(*index_key_of(record), *record.durable->create_guid);
}

}  // namespace
}  // namespace Atoll::xsrv
