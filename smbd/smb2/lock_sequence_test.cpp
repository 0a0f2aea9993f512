#include "smbd/smb2/lock_sequence.h"

#include <gtest/gtest.h>

#include "smbd/xsrv/open.h"

namespace Atoll::smb2 {
namespace {

constexpr uint8_t none = xsrv::Open::no_lock_sequence;

class LockSequenceTest : public testing::Test {
 protected:
    // An open that was taken over from a process which had begun that and left so many locks.
    void take_over(uint8_t index, uint8_t number, uint32_t locks_after, size_t locks) {
        open_.durable.emplace().step_begun = {index, number, locks_after};
        settle_lock_step(open_, locks);
        EXPECT_FALSE(open_.durable->step_begun);
        EXPECT_EQ(open_.durable->lock_sequences, open_.lock_sequences);
    }
    xsrv::Open open_;
};

TEST_F(LockSequenceTest, AStepThatWasDoneIsKnown) {
    open_.lock_sequences[0] = 9;
    take_over(3, 5, 2, 2);
    EXPECT_EQ(open_.lock_sequences[2], 5);
    EXPECT_EQ(open_.lock_sequences[0], 9);
    take_over(64, 1, 0, 0);  // the last lock was given up
    EXPECT_EQ(open_.lock_sequences[63], 1);
}

TEST_F(LockSequenceTest, OneThatWasNotDoneIsNot) {
    take_over(3, 5, 2, 1);
    EXPECT_EQ(open_.lock_sequences[2], none);
    take_over(3, 5, 0, 1);
    EXPECT_EQ(open_.lock_sequences[2], none);
}

TEST_F(LockSequenceTest, AnIndexThatIsNoneIsIgnored) {
    take_over(0, 5, 1, 1);
    take_over(65, 5, 1, 1);
    for (const uint8_t entry : open_.lock_sequences) EXPECT_EQ(entry, none);
}

TEST_F(LockSequenceTest, WhatHadNotBegunChangesNothing) {
    open_.lock_sequences[1] = 7;
    open_.durable.emplace();
    settle_lock_step(open_, 4);
    EXPECT_EQ(open_.lock_sequences[1], 7);
}

}  // namespace
}  // namespace Atoll::smb2
