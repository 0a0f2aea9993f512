#include "ctdb/core/vacuum.h"

#include <gtest/gtest.h>

#include <array>

#include "ctdb/core/slot_store_test.h"

namespace Atoll::ctdb {
namespace {

// Node 0 of three, which locates the one slot if a test has it do so, and else node 1.
class VacuumTest : public testing::Test, protected SlotTransport {
 protected:
    VacuumTest() {
        config.slots = 1;
        context.session = 10;
        context.now = second;
        context.view.id = view;
        context.view.members = members_of_test(3);
        context.view.locators = {1};
        context.view.located_since = {view};
        gates[0].epoch = view;
        gates[0].open = true;
    }
    void send(Pnn to, protocol::slot_message message) override { sent.emplace_back(to, std::move(message)); }

    static protocol::copy offered(uint64_t rsn, Value value) { return {key, rsn, 0, false, std::move(value)}; }

    // This node locates the slot; the newest copy is the third one's, the removal.
    void locate() {
        context.view.locators = {0};
        locator.view_accepted(context.view);
        locator.recover_more();
        for (const auto& [from, copy] : {std::pair{Pnn{1}, offered(3, {1})}, std::pair{Pnn{2}, offered(6, {})}}) {
            protocol::offer offer{0, view, true, {copy}};
            locator.offered(from, offer);
        }
        protocol::offer nothing{0, view, true, {}};
        locator.offered(0, nothing);
        gates[0].open = true;
        sent.clear();
    }
    // What this node has answered to the question; asked by the lmaster.
    std::vector<RecordKey> kept(uint64_t rsn, uint64_t sequence, bool older, ViewId id = view) {
        sent.clear();
        vacuum.forget(1, {0, id, 1, older, {{key, rsn, sequence}}});
        EXPECT_EQ(sent.size(), 1U);
        return sent.at(0).second.body.was_forgotten().kept;
    }
    void has(uint64_t rsn, uint64_t sequence, Value value) {
        Copy copy;
        copy.rsn = rsn;
        copy.sequence = sequence;
        copy.value = std::move(value);
        store.copies[key] = std::move(copy);
    }

    static constexpr ViewId view = 7;
    static inline const RecordKey key{1, {1}};
    Config config;
    SlotStore store;
    NodeLease lease;
    std::array<SlotGate, 1> gates;
    SharedState shared{lease, gates, store};
    Context context{config, shared};
    StickyRecords sticky{context};
    Locator locator{context, *this, sticky};
    Mirrors mirrors{context, *this};
    Delegations delegations{context, *this};
    Holder holder{context, *this, mirrors, delegations, sticky};
    Vacuum vacuum{context, *this, locator, holder, mirrors};
    std::vector<std::pair<Pnn, protocol::slot_message>> sent;
};

// Another member may have what is older still, and who asks may be lost before that one hears of it.
TEST_F(VacuumTest, WhatIsOlderBecomesTheRemovalAndGoesInTheSecondRound) {
    has(4, 2, {1});
    EXPECT_TRUE(kept(6, 3, true).empty());
    ASSERT_TRUE(store.copies.contains(key));
    EXPECT_TRUE(store.copies[key].value.empty());
    EXPECT_EQ(store.copies[key].rsn, 6U);
    EXPECT_EQ(store.copies[key].sequence, 3U);
    EXPECT_TRUE(kept(6, 3, false).empty());
    EXPECT_TRUE(store.copies.empty());
    EXPECT_TRUE(kept(6, 3, false).empty()) << "what is not there is forgotten";
}

TEST_F(VacuumTest, WhatIsNewerThanTheRemovalStays) {
    has(7, 0, {1});
    EXPECT_EQ(kept(6, 0, true).size(), 1U);
    EXPECT_EQ(kept(6, 0, false).size(), 1U);
    EXPECT_EQ(store.copies[key].value.size(), 1U);
}

TEST_F(VacuumTest, WhoHasAnotherViewKeepsEverything) {
    has(4, 0, {1});
    EXPECT_EQ(kept(6, 0, true, view - 1).size(), 1U);
    EXPECT_EQ(store.copies[key].rsn, 4U);
}

// A client may take the record during the round: what it stores must be newer than the removal that others have by then.
TEST_F(VacuumTest, WhatIsStoredFromNowOnIsNewerThanTheRemovalThatOthersAreTold) {
    locate();
    const uint64_t rsn = store.copies[key].rsn;
    EXPECT_GE(rsn, 6U);
    vacuum.tick();
    ASSERT_FALSE(sent.empty());
    ASSERT_TRUE(sent[0].second.body.is_forgetting());
    EXPECT_TRUE(sent[0].second.body.forgetting().older);
    EXPECT_EQ(sent[0].second.body.forgetting().records.at(0).rsn, rsn);
    EXPECT_GT(store.copies[key].rsn, rsn);
}

}  // namespace
}  // namespace Atoll::ctdb
