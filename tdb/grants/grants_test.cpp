#include "tdb/grants/grants.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/bytes.h"
#include "tdb/memory/memory_database.h"

namespace Atoll::grants {
namespace {

class AskedHome final : public Home {
 public:
    void ask(Bytes, const rights& wanted) override { asked.push_back(wanted); }
    void recalled(Bytes, const rights& lost, const rights& kept) override {
        given_up.push_back(lost);
        still_used.push_back(kept);
    }
    std::vector<rights> asked, given_up, still_used;
};

rights opening(unsigned access, unsigned shared) {
    rights out;
    out.opens = open_bit(access, shared);
    return out;
}

rights leasing(uint8_t lease) {
    rights out;
    out.lease = lease;
    return out;
}

class GrantsTest : public ::testing::Test {
 protected:
    // Two processes of the node: they share the database and nothing else.
    Answer need(NodeGrants& process, const rights& wanted) {
        auto answer = process.need(file_, wanted, [&](const tdb::LockedRecord& record) -> Result<void> {
            EXPECT_TRUE(record.held());
            armed_++;
            return {};
        });
        EXPECT_TRUE(answer);
        return answer ? *answer : Answer::refused;
    }
    const Bytes file_ = as_bytes("a file");
    std::unique_ptr<tdb::MemoryDatabase> held_ = tdb::MemoryDatabase::open({"grants", tdb::Rank::index});
    AskedHome home_;
    NodeGrants one_{*held_, home_}, two_{*held_, home_};
    int armed_ = 0;
};

TEST_F(GrantsTest, WhatTheNodeHasIsNotAskedForAgain) {
    const rights reading = opening(reads, reads | writes | deletes);
    EXPECT_EQ(need(one_, reading), Answer::wait);
    EXPECT_EQ(need(two_, reading), Answer::wait) << "it is on its way";
    EXPECT_EQ(armed_, 2);
    ASSERT_EQ(home_.asked.size(), 1u);
    EXPECT_EQ(home_.asked[0].opens, reading.opens);
    ASSERT_TRUE(one_.granted(file_, reading));
    for (int i = 0; i < 100; i++) {
        EXPECT_EQ(need(one_, reading), Answer::here);
        EXPECT_EQ(need(two_, reading), Answer::here);
    }
    EXPECT_EQ(home_.asked.size(), 1u);
    // Only what is new is asked for.
    const rights more = merged(reading, opening(writes, reads | writes));
    EXPECT_EQ(need(two_, more), Answer::wait);
    ASSERT_EQ(home_.asked.size(), 2u);
    EXPECT_EQ(home_.asked[1].opens, open_bit(writes, reads | writes));
}

TEST_F(GrantsTest, ARefusalEndsTheWaitAndNotMore) {
    EXPECT_EQ(need(one_, opening(writes, 0)), Answer::wait);
    ASSERT_TRUE(one_.refused(file_, opening(writes, 0)));
    EXPECT_EQ(need(two_, opening(writes, 0)), Answer::refused);
    EXPECT_EQ(need(two_, opening(reads, reads)), Answer::wait) << "of something else nothing is said";
    ASSERT_TRUE(one_.granted(file_, opening(writes, 0)));
    EXPECT_EQ(need(two_, opening(writes, 0)), Answer::here);
}

TEST_F(GrantsTest, WhatIsRecalledIsAskedForAgain) {
    rights all = merged(opening(reads, reads), leasing(read_lease | write_lease));
    ASSERT_TRUE(one_.granted(file_, all));
    ASSERT_TRUE(one_.take_back(file_, leasing(write_lease)));
    EXPECT_TRUE(*two_.has(file_, merged(opening(reads, reads), leasing(read_lease))));
    EXPECT_FALSE(*two_.has(file_, all));
    ASSERT_TRUE(one_.give_up(file_, leasing(write_lease), {}));
    ASSERT_EQ(home_.given_up.size(), 1u);
    EXPECT_EQ(home_.given_up[0].lease, write_lease);
    EXPECT_EQ(need(two_, all), Answer::wait);
    EXPECT_EQ(home_.asked.back().lease, write_lease);
    // What is still used stays.
    ASSERT_TRUE(one_.take_back(file_, opening(reads, reads)));
    ASSERT_TRUE(one_.give_up(file_, opening(reads, reads), opening(reads, reads)));
    EXPECT_TRUE(*two_.has(file_, opening(reads, reads)));
    EXPECT_EQ(home_.still_used.back().opens, open_bit(reads, reads));
}

TEST_F(GrantsTest, AFileOfWhichNothingIsLeftHasNoRecord) {
    ASSERT_TRUE(one_.granted(file_, opening(reads, reads)));
    ASSERT_TRUE(one_.take_back(file_, opening(reads, reads)));
    ASSERT_TRUE(one_.give_up(file_, opening(reads, reads), {}));
    EXPECT_FALSE(*held_->exists(file_));
}

// docs/design.md, "Grants", against every pair of two opens.
TEST(Rights, OpensExcludeEachOtherAsOnOneNode) {
    for (unsigned a = 0; a < 64; a++) {
        for (unsigned b = 0; b < 64; b++) {
            const unsigned access_a = a / 8, shared_a = a % 8, access_b = b / 8, shared_b = b % 8;
            const bool beside = access_a == 0 || access_b == 0 || ((access_a & shared_b) == access_a && (access_b & shared_a) == access_b);
            const rights way = in_the_way(opening(access_a, shared_a), opening(access_b, shared_b));
            EXPECT_EQ(way.opens == 0, beside) << a << ' ' << b;
        }
    }
}

TEST(Rights, LeasesAndLocks) {
    rights change, lock, unlocked;
    change.change = lock.lock = unlocked.unlocked = true;
    const rights all = opening(reads, reads | writes | deletes);
    EXPECT_TRUE(in_the_way(leasing(read_lease), change).change);
    EXPECT_EQ(in_the_way(leasing(read_lease), all).opens, 0u);
    EXPECT_EQ(in_the_way(leasing(read_lease | write_lease), all).opens, all.opens);
    EXPECT_EQ(in_the_way(all, leasing(read_lease | write_lease)).lease, write_lease);
    EXPECT_EQ(in_the_way(change, leasing(read_lease | write_lease)).lease, read_lease | write_lease);
    EXPECT_TRUE(empty(in_the_way(leasing(read_lease), leasing(read_lease))));
    EXPECT_TRUE(in_the_way(lock, unlocked).unlocked);
    EXPECT_TRUE(in_the_way(unlocked, lock).lock);
    EXPECT_TRUE(empty(in_the_way(lock, lock))) << "their ranges are for those to compare who have them";
    EXPECT_TRUE(empty(in_the_way(change, change)));
}

}  // namespace
}  // namespace Atoll::grants
