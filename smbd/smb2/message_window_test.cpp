#include "smbd/smb2/message_window.h"

#include <gtest/gtest.h>

namespace Atoll::smb2 {
namespace {

TEST(MessageWindow, BeginsWithOneId) {
    MessageWindow window(64);
    EXPECT_FALSE(window.take(1, 1));
    EXPECT_TRUE(window.take(0, 1));
    EXPECT_FALSE(window.take(0, 1)) << "an id is used once";
    EXPECT_EQ(window.grant(10), 10);
    EXPECT_TRUE(window.take(10, 1));
    EXPECT_FALSE(window.take(11, 1));
}

TEST(MessageWindow, AMultiCreditRequestTakesConsecutiveIds) {
    MessageWindow window(64);
    window.adopt(5, 10);
    EXPECT_TRUE(window.take(7, 4));
    EXPECT_FALSE(window.take(6, 2)) << "7 is used";
    EXPECT_FALSE(window.take(13, 3)) << "15 was not granted";
    EXPECT_TRUE(window.take(5, 2));
    EXPECT_EQ(window.lowest(), 11u);
    EXPECT_EQ(window.available(), 4u);
}

TEST(MessageWindow, GrantsNoMoreThanTheMaximum) {
    MessageWindow window(64);
    EXPECT_EQ(window.grant(1000), 63);
    EXPECT_EQ(window.grant(1), 0);
    EXPECT_EQ(window.available(), 64u);
}

TEST(MessageWindow, AHoleEndsTheGrantsInsteadOfGrowingTheWindow) {
    MessageWindow window(64);
    window.adopt(0, 64);
    uint64_t next = 1;  // id 0 is never used
    uint64_t taken = 0;
    for (int i = 0; i < 1000 && window.take(next, 1); i++) {
        next++;
        taken++;
        window.grant(1);
    }
    EXPECT_EQ(taken, 127u) << "span of twice the maximum, less the hole";
    EXPECT_EQ(window.lowest(), 0u);
    EXPECT_TRUE(window.take(0, 1)) << "filling the hole";
    EXPECT_GT(window.grant(1), 0) << "opens the window again";
}

TEST(MessageWindow, WrapsAroundItsBitmapForEver) {
    MessageWindow window(48);
    window.adopt(1'000'003, 48);
    uint64_t id = 1'000'003;
    for (int i = 0; i < 5000; i++) {
        ASSERT_TRUE(window.take(id, 3)) << i;
        ASSERT_FALSE(window.take(id + 2, 1));
        id += 3;
        ASSERT_EQ(window.grant(3), 3);
    }
}

}  // namespace
}  // namespace Atoll::smb2
