// What links cost, counted: frames, and acknowledgments of their own.
#include "ctdb/core/link.h"

#include <gtest/gtest.h>

#include <array>
#include <deque>

#include "ctdb/core/empty_stores_test.h"
#include "ctdb/core/limits.h"

namespace Atoll::ctdb {
namespace {

struct End {
    explicit End(Pnn me) {
        config.me = me;
        config.nodes = {0, 1};
        context.session = me + 1;
        for (const Pnn pnn : config.nodes) {
            protocol::member member;
            member.pnn = pnn;
            member.session = pnn + 1;
            context.view.members.push_back(member);
        }
    }

    // Named by the sender's number of it.
    void say(uint64_t what) {
        protocol::slot_message message;
        message.body.value = protocol::recover{static_cast<Slot>(what), 1};
        message.kind = static_cast<protocol::slot_kind>(message.body.value.index());
        links.send(1 - config.me, std::move(message));
    }

    Config config;
    NoRecords records;
    NodeLease lease;
    SharedState shared{lease, {}, records};
    Context context{config, shared};
    std::vector<Slot> heard;
    bool answers = false;
    Links links{context, [this](Pnn, protocol::slot_message& message) {
                    heard.push_back(message.body.recovering().slot);
                    if (answers) say(heard.back());
                }};
};

class LinkTest : public testing::Test {
 protected:
    // What the ends have to say, but for frames that are lost; every message is an event. True: there was something.
    bool pass() {
        bool any = false;
        for (const Pnn me : {Pnn{0}, Pnn{1}}) {
            std::vector<Action> actions;
            actions.swap(ends_[me].context.actions);
            for (const Action& action : actions) hand_on(me, std::get<Send>(action).message);
            any = any || !actions.empty();
        }
        return any;
    }

    void settle() {
        while (pass()) {
        }
    }

    void hand_on(Pnn from, protocol::message message) {
        End& to = ends_[1 - from];
        auto& body = message.body;
        if (body.is_framed()) {
            frames_++;
            if (lost_ != 0 && lost_-- > 0) return;
            to.links.receive(from, body.framed());
        } else {
            acknowledgments_++;
            to.links.acknowledged(from, body.acknowledged());
        }
        to.links.flush();
    }

    void tick(Time after) {
        for (End& end : ends_) {
            end.context.now += after;
            end.links.tick();
        }
        settle();
    }

    std::array<End, 2> ends_{End(0), End(1)};
    size_t frames_ = 0, acknowledgments_ = 0, lost_ = 0;
};

TEST_F(LinkTest, AnAnswerAcknowledges) {
    ends_[1].answers = true;
    for (uint64_t i = 0; i < 100; i++) {
        ends_[0].say(i);
        settle();
    }
    EXPECT_EQ(frames_, 200u);
    EXPECT_EQ(acknowledgments_, 0u);
    tick(50 * millisecond);
    EXPECT_EQ(acknowledgments_, 1u) << "of the last answer";
}

TEST_F(LinkTest, WhatIsNotAnsweredIsAcknowledgedTogether) {
    for (uint64_t i = 0; i < 10 * limits::max_unanswered_frames; i++) ends_[0].say(i);
    settle();
    EXPECT_EQ(acknowledgments_, 10u);
    ends_[0].say(0);
    settle();
    EXPECT_EQ(acknowledgments_, 10u);
    tick(50 * millisecond);
    EXPECT_EQ(acknowledgments_, 11u);
    tick(ends_[0].config.resend);
    EXPECT_EQ(frames_, 10 * limits::max_unanswered_frames + 1) << "nothing is sent again";
    EXPECT_EQ(acknowledgments_, 11u);
}

// All of it is sent again in lots, each as soon as the former has come, and not one a tick.
TEST_F(LinkTest, LotsFollowAtOnce) {
    const size_t count = 20 * limits::max_resent + 3;
    lost_ = count;
    for (uint64_t i = 0; i < count; i++) ends_[0].say(i);
    settle();
    EXPECT_TRUE(ends_[1].heard.empty());
    tick(ends_[0].config.resend);
    ASSERT_GE(ends_[1].heard.size(), count - limits::max_resent);
    tick(50 * millisecond);
    ASSERT_EQ(ends_[1].heard.size(), count);
    for (size_t i = 0; i < count; i++) ASSERT_EQ(ends_[1].heard[i], i);
}

TEST_F(LinkTest, AGapIsToldAtOnce) {
    ends_[0].say(0);
    settle();
    lost_ = 1;
    ends_[0].say(1);
    ends_[0].say(2);
    settle();
    EXPECT_EQ(acknowledgments_, 1u) << "for the frame behind the gap";
    tick(ends_[0].config.resend);
    EXPECT_EQ(ends_[1].heard, (std::vector<Slot>{0, 1, 2}));
}

}  // namespace
}  // namespace Atoll::ctdb
