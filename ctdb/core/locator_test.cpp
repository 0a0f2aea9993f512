// What an lmaster asks when it recovers many slots, counted.
#include "ctdb/core/locator.h"

#include <gtest/gtest.h>

#include "ctdb/core/empty_stores_test.h"

namespace Atoll::ctdb {
namespace {

class LocatorTest : public testing::Test, private SlotTransport {
 protected:
    static constexpr Slot slots = 100;

    LocatorTest() {
        config_.slots = slots;
        context_.session = 1;
    }

    // Of two nodes, both members; this one locates every slot, none before.
    void accept(ViewId id) {
        const protocol::view former = context_.view;
        context_.view.id = id;
        context_.view.members = {protocol::member(), protocol::member()};
        for (const Pnn pnn : {Pnn{0}, Pnn{1}}) {
            context_.view.members[pnn].pnn = pnn;
            context_.view.members[pnn].session = pnn + 1;
        }
        context_.view.locators.assign(slots, 0);
        context_.view.located_since.assign(slots, id);
        locator_.view_accepted(former);
        locator_.recover_more();
    }
    void offer(Slot slot) {
        for (const Pnn pnn : {Pnn{0}, Pnn{1}}) {
            protocol::offer nothing;
            nothing.slot = slot;
            nothing.epoch = context_.view.id;
            nothing.last = true;
            locator_.offered(pnn, nothing);
        }
    }
    void send(Pnn to, protocol::slot_message message) override {
        if (!message.body.is_recovering()) return;
        EXPECT_EQ(message.body.recovering().epoch, context_.view.id);
        if (to == 1) asked_.push_back(message.body.recovering().slot);
    }

    Config config_;
    NoRecords records_;
    NodeLease lease_;
    std::vector<SlotGate> gates_ = std::vector<SlotGate>(slots);
    SharedState shared_{lease_, gates_, records_};
    Context context_{config_, shared_};
    std::vector<Slot> asked_;
    StickyRecords sticky_{context_};
    Locator locator_{context_, *this, sticky_};
};

TEST_F(LocatorTest, SlotsAreRecoveredSomeAtATime) {
    accept(1);
    size_t ended = 0;
    for (; ended < slots; ended++) {
        ASSERT_EQ(asked_.size(), std::min<size_t>(slots, ended + config_.recovers_at_once));
        EXPECT_FALSE(locator_.settled());
        EXPECT_FALSE(locator_.has_more());
        offer(asked_[ended]);
        locator_.recover_more();
    }
    EXPECT_TRUE(locator_.settled());
    EXPECT_EQ(asked_.size(), slots);
}

// Those that waited are begun under the new epoch, and those under way again.
TEST_F(LocatorTest, AnotherViewBeginsAnew) {
    accept(1);
    offer(asked_[0]);
    locator_.recover_more();
    asked_.clear();
    accept(2);
    for (size_t ended = 0; ended < slots; ended++) {
        ASSERT_EQ(asked_.size(), std::min<size_t>(slots, ended + config_.recovers_at_once));
        offer(asked_[ended]);
        locator_.recover_more();
    }
    EXPECT_TRUE(locator_.settled());
}

}  // namespace
}  // namespace Atoll::ctdb
