#include "ctdb/shared/shared_memory.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "ctdb/shared/copy_format.h"

namespace Atoll::ctdb {
namespace {

class SharedMemoryTest : public testing::Test {
 protected:
    void SetUp() override { ASSERT_NE(::mkdtemp(directory.data()), nullptr); }
    void TearDown() override { (void)!std::system(("rm -rf " + directory).c_str()); }

    std::string directory = testing::TempDir() + "shared_memory.XXXXXX";
    std::string path() const { return directory + "/shared"; }
};

TEST_F(SharedMemoryTest, ShowsLeaseAndGatesToOthers) {
    EXPECT_EQ(SharedMemory::attach(path()).error().code, Code::not_found);
    auto ours = SharedMemory::create(path(), 7);
    ASSERT_TRUE(ours.ok());
    auto theirs = SharedMemory::attach(path());
    ASSERT_TRUE(theirs.ok());
    EXPECT_EQ(theirs->incarnation(), 7U);
    EXPECT_FALSE(lease_holds(theirs->lease(), 5));
    ours->lease().session = 3;
    ours->lease().deadline = 10;
    ours->gates()[1023].open = true;
    EXPECT_TRUE(lease_holds(theirs->lease(), 5));
    EXPECT_FALSE(lease_holds(theirs->lease(), 10));
    EXPECT_TRUE(theirs->gates()[1023].open);
    EXPECT_EQ(theirs->level(), 1U);
    ours->level() = 2;
    EXPECT_EQ(theirs->level(), 2U);
    theirs->places()[4].holds[2] = make_hold(9, 1023);
    const Hold hold = ours->places()[4].holds[2];
    EXPECT_EQ(database_of_hold(hold), 9U);
    EXPECT_EQ(slot_of_hold(hold), 1023U);
}

TEST_F(SharedMemoryTest, IsReadOnlyForOthers) {
    auto ours = SharedMemory::create(path(), 7);
    ASSERT_TRUE(ours.ok());
    EXPECT_DEATH(
        {
            auto theirs = SharedMemory::attach(path());
            theirs->lease().session = 1;
        },
        "");
}

TEST_F(SharedMemoryTest, EndsTheLeaseOfAFormerDaemon) {
    auto former = SharedMemory::create(path(), 7);
    ASSERT_TRUE(former.ok());
    auto client = SharedMemory::attach(path());
    ASSERT_TRUE(client.ok());
    former->lease().session = 3;
    former->lease().deadline = 1000;
    former->gates()[5].open = true;
    former->places()[1].pid = 77;
    auto next = SharedMemory::create(path(), 8);
    ASSERT_TRUE(next.ok());
    EXPECT_FALSE(lease_holds(client->lease(), 5));
    EXPECT_FALSE(client->gates()[5].open);
    EXPECT_EQ(client->incarnation(), 8U);
    EXPECT_EQ(next->places()[1].pid, 0U);
}

TEST_F(SharedMemoryTest, EndsTheLeaseOfAnotherFormatToo) {
    auto former = SharedMemory::create(path(), 7);
    ASSERT_TRUE(former.ok());
    auto client = SharedMemory::attach(path());
    former->lease().session = 3;
    former->lease().deadline = 1000;
    std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(8);
    file.put(99);
    file.close();
    EXPECT_EQ(SharedMemory::attach(path()).error().code, Code::unsupported);
    ASSERT_TRUE(SharedMemory::create(path(), 8).ok());
    EXPECT_FALSE(lease_holds(client->lease(), 5));
    EXPECT_EQ(client->incarnation(), 7U);
    EXPECT_TRUE(SharedMemory::attach(path()).ok());
}

TEST(CopyFormatTest, TakesNothingOnTrust) {
    Buffer stored;
    CopyHead head;
    head.rsn = 5;
    head.sequence = 7;
    head.holder = 6;
    head.dmaster = true;
    head.delegated = true;
    const uint8_t value[] = {1, 2, 3};
    write_copy(head, value, stored);
    Copy read;
    ASSERT_TRUE(read_copy(stored, read));
    EXPECT_EQ(static_cast<const CopyHead&>(read), head);
    EXPECT_EQ(read.value, (Value{1, 2, 3}));
    EXPECT_FALSE(read_copy(Bytes(stored).first(copy_head_size - 1), read));
    stored[copy_head_size - 1] = 8;
    EXPECT_FALSE(read_copy(stored, read));
    stored[copy_head_size - 1] = 0;
    stored.resize(copy_head_size + protocol::MAX_VALUE);
    EXPECT_TRUE(read_copy(stored, read));
    stored.resize(copy_head_size + protocol::MAX_VALUE + 1);
    EXPECT_FALSE(read_copy(stored, read));
}

}  // namespace
}  // namespace Atoll::ctdb
