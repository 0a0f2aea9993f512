#include "smbd/smb2/channel_sequence.h"

#include <gtest/gtest.h>

#include "smbd/xsrv/open.h"

namespace Atoll::smb2 {
namespace {

constexpr bool replay = true, first = false;

class ChannelSequenceTest : public testing::Test {
 protected:
    void expect_counts(uint32_t requests, uint32_t pre_requests, uint16_t sequence) {
        EXPECT_EQ(open_.outstanding_requests, requests);
        EXPECT_EQ(open_.outstanding_pre_requests, pre_requests);
        EXPECT_EQ(open_.channel_sequence, sequence);
    }
    uint64_t count(uint16_t sequence, bool is_replay) {
        const auto counted_at = count_request(open_, sequence, is_replay);
        EXPECT_TRUE(counted_at);
        return counted_at.value_or(0);
    }
    xsrv::Open open_;
};

TEST_F(ChannelSequenceTest, RequestsAreCountedUntilTheyAreAnswered) {
    const uint64_t one = count(0, first), other = count(0, replay);
    expect_counts(2, 0, 0);
    uncount_request(open_, one);
    uncount_request(open_, other);
    expect_counts(0, 0, 0);
}

TEST_F(ChannelSequenceTest, ANewNumberMakesThoseUnderWayEarlierOnes) {
    const uint64_t earlier = count(0, first), later = count(1, first);
    expect_counts(1, 1, 1);
    uncount_request(open_, earlier);
    expect_counts(1, 0, 1);
    uncount_request(open_, later);
    expect_counts(0, 0, 1);
}

TEST_F(ChannelSequenceTest, AReplayWaitsForThemButOnceTheyAreAnsweredIsTaken) {
    const uint64_t earlier = count(7, first);
    EXPECT_FALSE(count_request(open_, 8, replay));
    expect_counts(0, 1, 8);
    EXPECT_FALSE(count_request(open_, 8, replay));
    EXPECT_TRUE(count_request(open_, 8, first));
    uncount_request(open_, earlier);
    EXPECT_TRUE(count_request(open_, 8, replay));
    expect_counts(2, 0, 8);
}

TEST_F(ChannelSequenceTest, AReplayUnderANewNumberIsTakenWhereNothingIsUnderWay) {
    EXPECT_TRUE(count_request(open_, 1, replay));
    expect_counts(1, 0, 1);
}

TEST_F(ChannelSequenceTest, AnOldNumberIsNeitherTakenNorCounted) {
    open_.channel_sequence = 3;
    EXPECT_FALSE(count_request(open_, 2, first));
    EXPECT_FALSE(count_request(open_, 2, replay));
    EXPECT_FALSE(count_request(open_, 0x8003, first));
    expect_counts(0, 0, 3);
}

TEST_F(ChannelSequenceTest, NumbersGoRound) {
    open_.channel_sequence = 0xFFFF;
    EXPECT_TRUE(count_request(open_, 0xFFFF, first));
    EXPECT_TRUE(count_request(open_, 0x7FFE, first));
    expect_counts(1, 1, 0x7FFE);
}

TEST_F(ChannelSequenceTest, OneThatIsUnderWayWhileTheyGoAllTheWayRoundIsStillAnEarlierOne) {
    const uint64_t earliest = count(5, first);
    for (const uint16_t sequence : {uint16_t{0x8004}, uint16_t{3}}) uncount_request(open_, count(sequence, first));
    const uint64_t last = count(5, first);
    expect_counts(1, 1, 5);
    uncount_request(open_, last);
    expect_counts(0, 1, 5);
    uncount_request(open_, earliest);
    expect_counts(0, 0, 5);
}

}  // namespace
}  // namespace Atoll::smb2
