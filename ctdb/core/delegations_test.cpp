#include "ctdb/core/delegations.h"

#include <gtest/gtest.h>

#include <array>

#include "ctdb/core/slot_store_test.h"
#include "ctdb/core/sticky_records.h"

namespace Atoll::ctdb {
namespace {

// Node 1 of three, and what it sends; node 0 is the lmaster.
class DelegationsTest : public testing::Test, protected SlotTransport {
 protected:
    static constexpr Epoch epoch = 5;

    DelegationsTest() {
        config.me = 1;
        config.slots = 1;
        context.view.members = members_of_test(3);
        context.view.locators = {0};
        context.session = 11;
        context.now = second;
        lease.session = 11;
        lease.deadline = 100 * second;
        gates[0].epoch = epoch;
        gates[0].open = true;
    }
    void send(Pnn to, protocol::slot_message message) override { sent.emplace_back(to, std::move(message)); }

    Copy& as_dmaster() {
        Copy copy;
        copy.rsn = 7;
        copy.dmaster = true;
        copy.value = {1};
        return store.copies[key] = copy;
    }
    // As Holder does with a record that is free.
    bool lend_to(Pnn reader) { return delegations.asked(0, {key, epoch, reader}) && delegations.lend(key, store.copies[key]); }

    Config config;
    SlotStore store;
    NodeLease lease;
    std::array<SlotGate, 1> gates;
    SharedState shared{lease, gates, store};
    Context context{config, shared};
    Delegations delegations{context, *this};
    const RecordKey key{1, {1}};
    std::vector<std::pair<Pnn, protocol::slot_message>> sent;
};

TEST_F(DelegationsTest, ALentRecordIsNotLockedBeforeEachReaderHasGivenItsCopyUp) {
    const Copy& copy = as_dmaster();
    ASSERT_TRUE(lend_to(0));
    ASSERT_TRUE(lend_to(2));
    ASSERT_EQ(sent.size(), 2U);
    EXPECT_EQ(sent[1].first, 2U);
    ASSERT_TRUE(sent[1].second.body.is_was_delegated());
    EXPECT_TRUE(sent[1].second.body.was_delegated().granted);
    EXPECT_EQ(sent[1].second.body.was_delegated().rsn, 7U);
    EXPECT_FALSE(may_use_locally(copy, gates[0], lease, context.now));
    EXPECT_TRUE(may_read_locally(copy, gates[0], lease, context.now));

    EXPECT_FALSE(delegations.revoke(key));
    EXPECT_FALSE(delegations.revoke(key));
    EXPECT_TRUE(delegations.revoking());
    ASSERT_EQ(sent.size(), 4U) << "each is asked once";
    EXPECT_FALSE(delegations.revoked(0, {key, epoch - 1}));
    EXPECT_FALSE(delegations.revoked(0, {key, epoch}));
    EXPECT_FALSE(may_use_locally(copy, gates[0], lease, context.now));
    EXPECT_TRUE(delegations.revoked(2, {key, epoch}));
    EXPECT_FALSE(delegations.revoking());
    EXPECT_TRUE(may_use_locally(copy, gates[0], lease, context.now));
    EXPECT_EQ(copy.rsn, 8U) << "what is stored now is newer than what was read";
}

TEST_F(DelegationsTest, WhoAsksDuringARevocationIsServedAfterIt) {
    as_dmaster();
    ASSERT_TRUE(lend_to(0));
    EXPECT_FALSE(delegations.revoke(key));
    EXPECT_TRUE(lend_to(2));
    EXPECT_EQ(sent.size(), 2U);
    EXPECT_TRUE(delegations.revoked(0, {key, epoch}));
    EXPECT_TRUE(delegations.asked_for(key));
    EXPECT_TRUE(delegations.lend(key, store.copies[key]));
    ASSERT_EQ(sent.size(), 3U);
    EXPECT_EQ(sent[2].first, 2U);
    EXPECT_EQ(sent[2].second.body.was_delegated().rsn, 8U);
}

TEST_F(DelegationsTest, AReaderWhoseSessionHasEndedIsNotWaitedFor) {
    as_dmaster();
    ASSERT_TRUE(lend_to(2));
    EXPECT_FALSE(delegations.revoke(key));
    EXPECT_TRUE(delegations.view_accepted().empty());
    context.view.members[2].session = 99;
    EXPECT_EQ(delegations.view_accepted(), std::vector<RecordKey>{key});
    EXPECT_FALSE(delegations.revoking());
    EXPECT_FALSE(store.copies[key].delegated);
}

TEST_F(DelegationsTest, WhatIsMirroredOrEmptyOrElsewhereIsNotLent) {
    as_dmaster().sequence = 3;
    EXPECT_FALSE(lend_to(2));
    as_dmaster().value.clear();
    EXPECT_FALSE(lend_to(2));
    as_dmaster().dmaster = false;
    EXPECT_FALSE(lend_to(2));
    ASSERT_EQ(sent.size(), 3U);
    for (const auto& [to, message] : sent) EXPECT_FALSE(message.body.was_delegated().granted);
    as_dmaster();
    gates[0].open = false;
    EXPECT_FALSE(lend_to(2));
    EXPECT_EQ(sent.size(), 3U) << "the recovery tells the reader";
}

TEST_F(DelegationsTest, AReaderHasACopyUntilItIsRevokedOrTheSlotIsRecovered) {
    delegations.client_reads(4, key);
    delegations.client_reads(5, key);
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].first, 0U);
    protocol::delegation delegation{key, epoch, true, 7, {1}};
    delegations.came(2, delegation);
    ASSERT_EQ(context.actions.size(), 2U);
    EXPECT_TRUE(std::get<RecordReadable>(context.actions[1]).readable);
    EXPECT_TRUE(may_read_locally(store.copies[key], gates[0], lease, context.now));
    EXPECT_FALSE(may_use_locally(store.copies[key], gates[0], lease, context.now));

    delegations.give_up(2, {key, epoch});
    EXPECT_FALSE(may_read_locally(store.copies[key], gates[0], lease, context.now));
    EXPECT_EQ(store.copies[key].rsn, 7U);
    ASSERT_EQ(sent.size(), 2U);
    EXPECT_TRUE(sent[1].second.body.is_was_revoked());

    delegation = {key, epoch, true, 8, {2}};
    delegations.came(2, delegation);
    delegations.freeze(0);
    delegations.end_copies({key});
    EXPECT_FALSE(store.copies[key].delegated);
    delegation = {key, epoch - 1, true, 9, {3}};
    delegations.came(2, delegation);
    EXPECT_FALSE(store.copies[key].delegated) << "of another epoch";
}

TEST_F(DelegationsTest, WhoIsNotAnsweredAsksForTheRecordItself) {
    delegations.client_reads(4, key);
    delegations.tick();
    EXPECT_TRUE(context.actions.empty());
    context.now += config.read_patience;
    delegations.tick();
    ASSERT_EQ(context.actions.size(), 1U);
    EXPECT_FALSE(std::get<RecordReadable>(context.actions[0]).readable);
    delegations.client_reads(4, key);
    delegations.client_gone(4);
    delegations.refused(key);
    EXPECT_EQ(context.actions.size(), 1U);
}

TEST_F(DelegationsTest, ARecordThatMovesTooOftenSticksForAWhile) {
    StickyRecords sticky(context);
    context.policy.sticky_moves = 2;
    for (int move = 0; move < 2; move++) EXPECT_FALSE(sticky.moved(key, true));
    EXPECT_FALSE(sticky.moved(key, false)) << "nobody else wanted it: counting begins anew";
    for (int move = 0; move < 2; move++) EXPECT_FALSE(sticky.moved(key, true));
    EXPECT_TRUE(sticky.moved(key, true));
    EXPECT_TRUE(sticky.moved(key, false));
    context.now += context.policy.sticky_for;
    EXPECT_FALSE(sticky.moved(key, true));

    sticky.pin(key);
    EXPECT_TRUE(sticky.pinned(key) && sticky.unpin().empty());
    context.now += context.policy.sticky_pin;
    EXPECT_EQ(sticky.unpin(), std::vector<RecordKey>{key});
    EXPECT_FALSE(sticky.pinned(key));
}

}  // namespace
}  // namespace Atoll::ctdb
