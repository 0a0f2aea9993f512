#include "smbd/fsa/change_queue.h"

#include <gtest/gtest.h>

#include "smbd/fsa/limits.h"

namespace Atoll::fsa {
namespace {

using Kind = LocalChange::Kind;

class ChangeQueueTest : public ::testing::Test {
 protected:
    void came(Kind kind, const std::string& path, uint32_t cookie = 0, bool found = false) {
        LocalChange change;
        change.kind = kind;
        change.path = path;
        change.cookie = cookie;
        change.found = found;
        change.filter = kind == Kind::modified ? notify_filter::size : 0;
        EXPECT_TRUE(queue_.came(std::move(change), now_));
    }
    void own(const std::string& path, NotifyAction action) { queue_.own(path, action, now_); }
    void pass(std::chrono::milliseconds time) { now_ += time; }
    // What is reported by now: "+a -b *c d>e"
    std::string reported() {
        std::string out;
        while (const auto change = queue_.take(now_)) {
            if (!out.empty()) out += ' ';
            switch (change->kind) {
                case Kind::added: out += '+' + change->path; break;
                case Kind::removed: out += '-' + change->path; break;
                case Kind::modified: out += '*' + change->path; break;
                case Kind::renamed: out += change->path + '>' + change->to; break;
            }
        }
        return out;
    }
    std::string later() {
        pass(limits::local_change_delay);
        return reported();
    }

    ChangeQueue queue_;
    Monotonic now_{std::chrono::hours(1)};
};

TEST_F(ChangeQueueTest, WhatNobodyClaimsIsReportedAfterTheDelayInOrder) {
    EXPECT_FALSE(queue_.next());
    came(Kind::added, "/a");
    came(Kind::modified, "/a");
    came(Kind::removed, "/b");
    EXPECT_EQ(reported(), "");
    ASSERT_TRUE(queue_.next());
    EXPECT_EQ(*queue_.next(), now_ + limits::local_change_delay);
    EXPECT_EQ(later(), "+/a */a -/b");
    EXPECT_FALSE(queue_.next());
}

TEST_F(ChangeQueueTest, OwnChangesAreDroppedWhicheverIsKnownFirst) {
    came(Kind::added, "/before");
    own("/before", NotifyAction::added);
    own("/after", NotifyAction::removed);
    pass(std::chrono::milliseconds(50));
    came(Kind::removed, "/after");
    came(Kind::modified, "/before");
    came(Kind::added, "/other");
    EXPECT_EQ(later(), "+/other");
}

TEST_F(ChangeQueueTest, NamesAreMatchedOneByOne) {
    // One of ours makes it, a program removes it and makes it again.
    came(Kind::added, "/a");
    own("/a", NotifyAction::added);
    came(Kind::removed, "/a");
    came(Kind::added, "/a");
    EXPECT_EQ(later(), "-/a +/a");
}

TEST_F(ChangeQueueTest, WhatOursDidLongAgoClaimsNothing) {
    own("/a", NotifyAction::removed);
    pass(limits::own_change_memory);
    came(Kind::removed, "/a");
    EXPECT_EQ(later(), "-/a");
}

TEST_F(ChangeQueueTest, HalvesOfARenameBecomeOne) {
    came(Kind::removed, "/a", 7);
    came(Kind::added, "/b", 7);
    came(Kind::removed, "/c", 8);
    came(Kind::added, "/d", 9);
    EXPECT_EQ(later(), "/a>/b -/c +/d");
    came(Kind::removed, "/a", 10);
    came(Kind::added, "/b", 10);
    own("/a", NotifyAction::renamed_old_name);
    own("/b", NotifyAction::renamed_new_name);
    EXPECT_EQ(later(), "");
    // Nothing is left of it to claim another.
    came(Kind::added, "/b");
    EXPECT_EQ(later(), "+/b");
}

TEST_F(ChangeQueueTest, RepeatedModificationsAreOne) {
    for (int i = 0; i < 5; i++) came(Kind::modified, "/a");
    EXPECT_EQ(later(), "*/a");
    own("/f:stream", NotifyAction::modified_stream);
    came(Kind::modified, "/f");
    EXPECT_EQ(later(), "");
}

TEST_F(ChangeQueueTest, WhatALookHasFoundIsNotToldAgain) {
    came(Kind::added, "/d/a", 0, true);
    came(Kind::added, "/d/a");
    came(Kind::added, "/d/b");
    EXPECT_EQ(later(), "+/d/a +/d/b");
    came(Kind::added, "/d/a");
    EXPECT_EQ(later(), "+/d/a");
}

TEST_F(ChangeQueueTest, KeepsItsLimits) {
    LocalChange change;
    change.path = "/a";
    change.kind = Kind::removed;
    for (size_t i = 0; i < limits::max_held_changes; i++) ASSERT_TRUE(queue_.came(change, now_));
    EXPECT_FALSE(queue_.came(change, now_));
    EXPECT_EQ(later(), "");
    // Of what ours tell the oldest is forgotten.
    own("/first", NotifyAction::added);
    for (size_t i = 0; i < limits::max_own_changes; i++) own("/other" + std::to_string(i), NotifyAction::added);
    came(Kind::added, "/first");
    came(Kind::added, "/other0");
    EXPECT_EQ(later(), "+/first");
}

}  // namespace
}  // namespace Atoll::fsa
