#include "tdb/committer/senders.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/bytes.h"

namespace Atoll::committer {
namespace {

class SendersTest : public testing::Test {
 protected:
    SendersTest() { EXPECT_TRUE(senders.enter(name, ::getpid(), 0)); }

    static batch numbered(uint64_t number, uint64_t answered) {
        batch out;
        out.number = number;
        out.answered = answered;
        return out;
    }
    Senders::Known recall(uint64_t number, uint64_t answered = 0) { return senders.recall(name, numbered(number, answered), known); }
    Pending decided(uint64_t number, outcome result) {
        Pending pending;
        pending.sender = name;
        pending.request = numbered(number, 0);
        pending.reply.number = number;
        pending.reply.result = result;
        senders.note(pending);
        return pending;
    }
    // As the next committer finds what this one kept.
    Senders after_a_restart() {
        Buffer state;
        encode(senders.state(name), state, idl::first_level);
        Senders next;
        EXPECT_TRUE(next.load(name.bytes, state));
        EXPECT_TRUE(next.enter(name, ::getpid(), 0));
        return next;
    }

    const Guid name = Guid::random();
    Senders senders;
    answer known;
};

TEST_F(SendersTest, NumbersRiseByOne) {
    EXPECT_EQ(recall(2), Senders::Known::out_of_order);
    EXPECT_EQ(recall(1), Senders::Known::is_new);
    EXPECT_EQ(recall(1), Senders::Known::out_of_order);
    EXPECT_EQ(recall(2), Senders::Known::is_new);
    EXPECT_EQ(recall(3, 3), Senders::Known::out_of_order);
}

TEST_F(SendersTest, TheNextCommitterGivesTheFormerAnswers) {
    EXPECT_EQ(recall(1), Senders::Known::is_new);
    EXPECT_EQ(recall(2), Senders::Known::is_new);
    decided(1, outcome::NO_SPACE);
    decided(2, outcome::COMMITTED);
    Senders next = after_a_restart();
    EXPECT_EQ(next.recall(name, numbered(1, 0), known), Senders::Known::decided);
    EXPECT_EQ(known.result, outcome::NO_SPACE);
    EXPECT_EQ(next.recall(name, numbered(2, 0), known), Senders::Known::decided);
    EXPECT_EQ(known.result, outcome::COMMITTED);
    EXPECT_EQ(next.recall(name, numbered(3, 0), known), Senders::Known::is_new);
}

TEST_F(SendersTest, WhatIsTakenBackIsNotKept) {
    EXPECT_EQ(recall(1), Senders::Known::is_new);
    senders.unnote(decided(1, outcome::COMMITTED));
    Senders next = after_a_restart();
    EXPECT_EQ(next.recall(name, numbered(1, 0), known), Senders::Known::is_new);
}

TEST_F(SendersTest, ANameIsOneProcesss) {
    EXPECT_FALSE(senders.enter(name, ::getpid(), 0));
    senders.leave(name);
    EXPECT_FALSE(senders.enter(name, ::getpid() + 1, 0));
    EXPECT_TRUE(senders.enter(name, ::getpid(), 0));
}

TEST_F(SendersTest, WhatIsNoStateIsRefused) {
    Senders next;
    EXPECT_EQ(next.load(as_bytes("short"), {}).error().code, Code::corrupt);
    EXPECT_FALSE(next.load(name.bytes, as_bytes("nonsense")).ok());
}

}  // namespace
}  // namespace Atoll::committer
