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
    xsrv::Open open_;
};

TEST_F(ChannelSequenceTest, RequestsAreCountedUntilTheyAreAnswered) {
    EXPECT_TRUE(count_request(open_, 0, first));
    EXPECT_TRUE(count_request(open_, 0, replay));
    expect_counts(2, 0, 0);
    uncount_request(open_, 0);
    uncount_request(open_, 0);
    expect_counts(0, 0, 0);
}

TEST_F(ChannelSequenceTest, ANewNumberMakesThoseUnderWayEarlierOnes) {
    EXPECT_TRUE(count_request(open_, 0, first));
    EXPECT_TRUE(count_request(open_, 1, first));
    expect_counts(1, 1, 1);
    uncount_request(open_, 0);
    expect_counts(1, 0, 1);
    uncount_request(open_, 1);
    expect_counts(0, 0, 1);
}

TEST_F(ChannelSequenceTest, AReplayWaitsForThemButOnceTheyAreAnsweredIsTaken) {
    EXPECT_TRUE(count_request(open_, 7, first));
    EXPECT_FALSE(count_request(open_, 8, replay));
    expect_counts(0, 1, 8);
    EXPECT_FALSE(count_request(open_, 8, replay));
    EXPECT_TRUE(count_request(open_, 8, first));
    uncount_request(open_, 7);
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

}  // namespace
}  // namespace Atoll::smb2
