// The format level as the leader decides it. The other nodes are what a test says of them.
#include <gtest/gtest.h>

#include "ctdb/sim/lone_core.h"

namespace Atoll::ctdb::sim {
namespace {

struct Other {
    Pnn pnn;
    uint32_t level, newest_level;
};

// Node 0 of three, which has the cluster lock for the asking.
class Leader {
 public:
    Leader(uint32_t level, uint32_t newest_level) : node_(config(level, newest_level)) { handle(LevelRead{newest_level}); }

    std::optional<protocol::view> stored;  // what the register holds
    size_t released = 0;                   // how often it gave the lock back

    // Goes on for two seconds in which those are heard.
    void lead(const std::vector<Other>& others = {}) {
        for (int tick = 0; tick < 50; tick++) {
            now_ += 40 * millisecond;
            for (const Other& other : others) handle(keepalive_of(other));
            handle(Ticked{});
        }
    }
    [[nodiscard]] uint32_t level() const { return stored ? stored->level : 0; }
    [[nodiscard]] bool has(Pnn pnn) const { return stored && find_member(*stored, pnn) != nullptr; }

 private:
    static Config config(uint32_t level, uint32_t newest_level) {
        Config config;
        config.nodes = {0, 1, 2};
        config.slots = 4;
        config.level = level;
        config.newest_level = newest_level;
        return config;
    }

    Event keepalive_of(const Other& other) const {
        protocol::keepalive keepalive;
        keepalive.incarnation = 1;
        keepalive.sent = now_;
        keepalive.level = other.level;
        keepalive.newest_level = other.newest_level;
        Received received;
        received.message.from = other.pnn;
        received.message.kind = protocol::message_kind::KEEPALIVE;
        received.message.body.make_alive() = keepalive;
        return received;
    }

    void handle(Event event) {
        std::vector<Event> answers;
        for (const Action& action : node_.core.handle(std::move(event), now_)) {
            if (std::holds_alternative<TakeLock>(action)) answers.emplace_back(LockTaken{++term_, stored});
            if (std::holds_alternative<ReleaseLock>(action)) released++;
            if (const auto* check = std::get_if<CheckLock>(&action)) answers.emplace_back(LockChecked{check->term, check->asked, true});
            if (const auto* write = std::get_if<WriteRegister>(&action)) {
                stored = write->view;
                answers.emplace_back(RegisterWritten{write->view.id, true});
            }
        }
        for (Event& answer : answers) handle(std::move(answer));
    }

    LoneCore node_;
    Time now_ = second;
    Term term_ = 0;
};

protocol::view view_of_level(uint32_t level) {
    protocol::view view;
    view.id = 1;
    view.level = level;
    return view;
}

TEST(FormatLevel, RisesWhenEveryListedNodeReadsTheNext) {
    Leader leader(1, 2);
    leader.lead({{1, 1, 2}});
    EXPECT_EQ(leader.level(), 1U) << "node 2 is away";
    leader.lead({{1, 1, 2}, {2, 1, 1}});
    EXPECT_EQ(leader.level(), 1U) << "node 2 is an older one";
    EXPECT_TRUE(leader.has(2));
    leader.lead({{1, 1, 2}, {2, 1, 2}});
    EXPECT_EQ(leader.level(), 2U);
}

TEST(FormatLevel, RisesToWhatAllReadAndNoFurther) {
    Leader leader(1, 4);
    leader.lead({{1, 1, 3}, {2, 1, 5}});
    EXPECT_EQ(leader.level(), 3U);
}

TEST(FormatLevel, WhoDoesNotReadItIsNotLetIn) {
    Leader leader(1, 2);
    leader.stored = view_of_level(2);
    leader.lead({{1, 1, 1}, {2, 1, 2}});
    EXPECT_EQ(leader.level(), 2U);
    EXPECT_FALSE(leader.has(1));
    EXPECT_TRUE(leader.has(2));
}

TEST(FormatLevel, WhoDoesNotReadItDoesNotLead) {
    Leader leader(1, 1);
    leader.stored = view_of_level(2);
    leader.lead({{1, 1, 1}, {2, 1, 1}});
    EXPECT_GT(leader.released, 0U);
    EXPECT_EQ(leader.stored->id, view_of_level(2).id);
}

// An administrator has removed it.
TEST(FormatLevel, OutlivesTheRegister) {
    Leader leader(2, 2);
    leader.lead({{1, 1, 1}});
    EXPECT_EQ(leader.level(), 2U);
    EXPECT_FALSE(leader.has(1));
}

// And of the leader's own disk nothing is left.
TEST(FormatLevel, IsLearntFromWhoWritesAtIt) {
    Leader leader(1, 2);
    leader.lead();
    EXPECT_EQ(leader.level(), 1U);
    leader.lead({{1, 2, 2}});
    EXPECT_EQ(leader.level(), 2U);
    EXPECT_TRUE(leader.has(1));
}

TEST(FormatLevel, OfWhoWritesAtANewerOneNothingIsTaken) {
    Leader leader(1, 2);
    leader.lead({{1, 3, 3}});
    EXPECT_EQ(leader.level(), 1U);
    EXPECT_FALSE(leader.has(1));
}

}  // namespace
}  // namespace Atoll::ctdb::sim
