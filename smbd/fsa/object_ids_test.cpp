// MS-FSA 2.1.5.10.1, .2, .35: object ids are unique on a volume, also for the next server.
#include "smbd/fsa/object_ids.h"

#include <sys/xattr.h>

#include "smbd/fsa/fsa_fixture_test.h"
#include "smbd/fsa/kept_beside.h"

namespace Atoll::fsa {
namespace {

class ObjectIdsTest : public FsaTest {
 protected:
    void SetUp() override {
        FsaTest::SetUp();
        start();
    }
    // A server that has the same database; the former one is gone.
    void start() {
        for (Open* open : opened_) (void)files_->close(*open).ok();
        opened_.clear();
        share_.reset();
        files_ =
            FileSystem::create({.locking = *locking_, .brlock = *brlock_, .self = {0, 1, 0}, .holder_exists = {}, .object_ids = [this] {
                                    return ids_.get();
                                }});
        connect();
    }
    Open& file(const std::string& name) {
        CreateParams p = params(name, rw_access, Disposition::open_if);
        return open(p);
    }
    static ObjectId id(uint8_t first) {
        ObjectId out;
        out.bytes[0] = first;
        out.bytes[20] = 7;
        return out;
    }
    static NtStatus set(Open& open, const ObjectId& value) {
        const auto r = open.set_object_id(value);
        return r ? NtStatus::SUCCESS : r.error();
    }
    std::unique_ptr<tdb::MemoryDatabase> ids_ = tdb::MemoryDatabase::open({"object_ids", tdb::Rank::none});
};

TEST_F(ObjectIdsTest, NoTwoFilesHaveTheSame) {
    Open& one = file("one");
    Open& two = file("two");
    EXPECT_EQ(set(one, id(1)), NtStatus::SUCCESS);
    EXPECT_EQ(set(two, id(1)), NtStatus::DUPLICATE_NAME);
    EXPECT_EQ(two.object_id().error(), NtStatus::OBJECTID_NOT_FOUND);
    EXPECT_EQ(set(two, id(2)), NtStatus::SUCCESS);
    EXPECT_EQ(two.object_id()->bytes, id(2).bytes);
}

TEST_F(ObjectIdsTest, AnIdThatWasMadeIsTaken) {
    const auto made = file("one").create_or_get_object_id();
    ASSERT_TRUE(made);
    EXPECT_EQ(set(file("two"), *made), NtStatus::DUPLICATE_NAME);
}

TEST_F(ObjectIdsTest, TheNextServerKnowsThem) {
    EXPECT_EQ(set(file("one"), id(1)), NtStatus::SUCCESS);
    start();
    EXPECT_EQ(set(file("two"), id(1)), NtStatus::DUPLICATE_NAME);
}

TEST_F(ObjectIdsTest, AFileThatIsRenamedKeepsItsId) {
    EXPECT_EQ(set(file("one"), id(1)), NtStatus::SUCCESS);
    start();
    mkdir("d");
    std::filesystem::rename(at("one"), at("d/elsewhere"));
    EXPECT_EQ(set(file("one"), id(1)), NtStatus::DUPLICATE_NAME);
}

TEST_F(ObjectIdsTest, WhatNobodyHasAnyMoreIsFree) {
    Open& one = file("one");
    EXPECT_EQ(set(one, id(1)), NtStatus::SUCCESS);
    ASSERT_TRUE(one.delete_object_id());
    EXPECT_EQ(ids_->size(), 0u);
    EXPECT_EQ(set(file("two"), id(1)), NtStatus::SUCCESS);
    // What programs on the machine do is seen too.
    start();
    std::filesystem::remove(at("two"));
    EXPECT_EQ(set(file("three"), id(1)), NtStatus::SUCCESS);
    ASSERT_EQ(::removexattr(at("three").c_str(), object_id_xattr), 0);
    EXPECT_EQ(set(file("four"), id(1)), NtStatus::SUCCESS);
}

TEST_F(ObjectIdsTest, IdsFromBeforeThereWasAnIndexAreLearned) {
    Open& one = file("one");
    EXPECT_EQ(set(one, id(1)), NtStatus::SUCCESS);
    ASSERT_TRUE(ids_->wipe());
    ASSERT_TRUE(one.create_or_get_object_id());
    EXPECT_EQ(set(file("two"), id(1)), NtStatus::DUPLICATE_NAME);
}

TEST_F(ObjectIdsTest, WhatCannotBeNotedIsNotGiven) {
    Open& one = file("one");
    for (unsigned write = 1; write <= 2; write++) {  // the store, the commit
        ids_->fail_writes(write, Code::no_space);
        EXPECT_EQ(set(one, id(1)), NtStatus::INSUFFICIENT_RESOURCES);
        EXPECT_EQ(one.object_id().error(), NtStatus::OBJECTID_NOT_FOUND);
    }
    EXPECT_EQ(set(one, id(1)), NtStatus::SUCCESS);
}

}  // namespace
}  // namespace Atoll::fsa
