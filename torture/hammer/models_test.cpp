// The models: what they must let pass, and what they must not.
#include <gtest/gtest.h>

#include "torture/hammer/claims.h"
#include "torture/hammer/notices.h"
#include "torture/hammer/register.h"
#include "torture/hammer/world.h"

namespace Atoll::hammer {
namespace {

struct Range {
    int client;
    int begin, end;
    [[nodiscard]] bool excludes(const Range& other) const { return client != other.client && begin < other.end && other.begin < end; }
};

TEST(Claims, TwoCertainOnesThatExcludeEachOtherAreAFault) {
    Claims<Range> claims;
    auto& a = claims.ask({1, 0, 10}, 1);
    EXPECT_EQ(claims.granted(a, 2), nullptr);
    auto& b = claims.ask({2, 5, 6}, 3);
    EXPECT_EQ(claims.granted(b, 4), &a);
}

TEST(Claims, OneThatIsBeingGivenUpExcludesNothing) {
    Claims<Range> claims;
    auto& a = claims.ask({1, 0, 10}, 1);
    EXPECT_EQ(claims.granted(a, 2), nullptr);
    claims.releasing(a, 3);
    auto& b = claims.ask({2, 5, 6}, 4);
    EXPECT_EQ(claims.granted(b, 5), nullptr);
}

TEST(Claims, ARefusalNeedsAReason) {
    Claims<Range> claims;
    auto& a = claims.ask({1, 0, 10}, 1);
    EXPECT_EQ(claims.granted(a, 2), nullptr);
    EXPECT_TRUE(claims.refused(claims.ask({2, 9, 11}, 3), 4));
    EXPECT_FALSE(claims.refused(claims.ask({2, 10, 11}, 5), 6));
    claims.releasing(a, 7);
    auto& late = claims.ask({2, 0, 1}, 8);
    claims.released(a, 9);
    EXPECT_TRUE(claims.refused(late, 10));  // asked before the release was answered
    EXPECT_FALSE(claims.refused(claims.ask({2, 0, 1}, 11), 12));
}

TEST(Claims, WhatALostClientHeldExcusesUntilItIsGone) {
    Claims<Range> claims;
    auto& a = claims.ask({1, 0, 10}, 1);
    EXPECT_EQ(claims.granted(a, 2), nullptr);
    claims.client_lost(1, 3);
    EXPECT_TRUE(claims.refused(claims.ask({2, 0, 1}, 4), 5));
    EXPECT_EQ(claims.granted(claims.ask({2, 0, 1}, 6), 7), nullptr);
    claims.client_gone(1, 3, 8);
    EXPECT_FALSE(claims.refused(claims.ask({3, 5, 6}, 9), 10));
}

TEST(Claims, AClientThatIsBackMeetsTheLocksOfItsFormerOpen) {
    Claims<LockClaim> claims;
    auto& a = claims.ask({.client = 1, .open = 1, .begin = 0, .end = 8, .exclusive = true}, 1);
    EXPECT_EQ(claims.granted(a, 2), nullptr);
    EXPECT_FALSE(claims.refused(claims.ask({.client = 1, .open = 1, .begin = 0, .end = 8}, 3), 4));
    claims.client_lost(1, 5);
    EXPECT_TRUE(claims.refused(claims.ask({.client = 1, .open = 2, .begin = 0, .end = 8}, 6), 7));
    claims.client_gone(1, 5, 8);
    EXPECT_FALSE(claims.refused(claims.ask({.client = 1, .open = 2, .begin = 0, .end = 8}, 9), 10));
}

TEST(Claims, MustBeRefusedNeedsCertaintyAllTheTime) {
    Claims<Range> claims;
    auto& a = claims.ask({1, 0, 10}, 1);
    EXPECT_EQ(claims.granted(a, 5), nullptr);
    EXPECT_TRUE(claims.must_be_refused({2, 0, 1}, 6, 7));
    EXPECT_FALSE(claims.must_be_refused({2, 0, 1}, 4, 7));
    claims.releasing(a, 8);
    EXPECT_FALSE(claims.must_be_refused({2, 0, 1}, 6, 9));
}

TEST(Claims, ForgetsWhatCannotMatter) {
    Claims<Range> claims;
    auto& a = claims.ask({1, 0, 10}, 1);
    EXPECT_EQ(claims.granted(a, 2), nullptr);
    auto& b = claims.ask({2, 0, 1}, 3);
    claims.releasing(a, 4);
    claims.released(a, 5);
    claims.forget(never);
    EXPECT_EQ(claims.size(), 2u);  // b may be refused because of a
    EXPECT_TRUE(claims.refused(b, 6));
    claims.forget(5);  // and a read that began then, too
    EXPECT_TRUE(claims.could_be_refused({2, 0, 1}, 5, 7));
    claims.forget(6);
    EXPECT_EQ(claims.size(), 0u);
}

TEST(Register, AReadGivesTheLastWriteOrOneBesideIt) {
    Register value;
    value.begins(1, 1);
    value.done(1, 2);
    EXPECT_TRUE(value.may_read(1, 3, 4));
    value.begins(2, 5);
    EXPECT_TRUE(value.may_read(1, 6, 7));
    EXPECT_TRUE(value.may_read(2, 6, 7));
    value.done(2, 8);
    EXPECT_TRUE(value.may_read(1, 7, 9));
    EXPECT_FALSE(value.may_read(1, 9, 10));
    EXPECT_FALSE(value.may_read(3, 9, 10));
    EXPECT_FALSE(value.may_read(2, 3, 4));  // read before it was written
}

TEST(Register, AWriteThatWasCutOffMayHaveHappened) {
    Register value;
    value.begins(1, 1);
    value.done(1, 2);
    value.begins(2, 3);
    EXPECT_TRUE(value.may_read(1, 100, 101));
    EXPECT_TRUE(value.may_read(2, 100, 101));
}

TEST(Register, ForgetsWhatWasOverwritten) {
    Register value;
    for (uint64_t i = 1; i <= 100; i++) {
        value.begins(i, 2 * i);
        value.done(i, 2 * i + 1);
    }
    value.forget(300);
    EXPECT_EQ(value.size(), 1u);
    EXPECT_TRUE(value.may_read(100, 301, 302));
    EXPECT_FALSE(value.may_read(99, 301, 302));
}

TEST(Notices, EachChangeIsToldOnceAndInTime) {
    Notices notices;
    const Monotonic now = monotonic_now();
    notices.expect("a", Notices::Kind::added, now);
    EXPECT_FALSE(notices.complete());
    EXPECT_EQ(notices.overdue(now + std::chrono::seconds(1)), "ADDED a");
    EXPECT_EQ(notices.told("a", Notices::Kind::added), "");
    EXPECT_TRUE(notices.complete());
    EXPECT_NE(notices.told("a", Notices::Kind::added), "");
    EXPECT_EQ(notices.told("a", Notices::Kind::removed), "");
    notices.expect("b", Notices::Kind::removed, now);
    notices.overflowed();
    EXPECT_TRUE(notices.complete());
}

}  // namespace
}  // namespace Atoll::hammer
