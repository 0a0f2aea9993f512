// A disk that does not take what it should, of a node that may not go: it is tried again.
#include <gtest/gtest.h>

#include <array>

#include "ctdb/core/empty_stores_test.h"
#include "ctdb/core/persistent_coordinator.h"
#include "ctdb/core/persistent_replica.h"
#include "ctdb/core/slot_store_test.h"

namespace Atoll::ctdb {
namespace {

constexpr DatabaseId database = 7;
constexpr Epoch epoch = 5;

// Node 0 of two, which coordinates; both are synced.
class PersistentTest : public testing::Test, protected SlotTransport {
 protected:
    PersistentTest() {
        context.session = 10;
        context.now = 10 * second;
        context.view.id = epoch;
        context.view.members = members_of_test(2);
        context.view.persistent.epoch = epoch;
        context.view.persistent.coordinator = 0;
        context.view.persistent.synced = {0, 1};
    }
    void send(Pnn to, protocol::slot_message message) override { sent.emplace_back(to, std::move(message)); }

    static holding holding_of(uint64_t seqnum) {
        holding held;
        held.database = database;
        held.seqnum = seqnum;
        held.id = {1, 1, seqnum};
        return held;
    }
    [[nodiscard]] size_t count(bool (protocol::slot_body::*is)() const) const {
        return static_cast<size_t>(std::count_if(sent.begin(), sent.end(), [is](const auto& message) { return (message.second.body.*is)(); }));
    }

    Config config;
    NoRecords records;
    NoDatabases databases;
    NodeLease lease;
    std::array<SlotGate, 1> gates;
    SharedState shared{lease, gates, records};
    Context context{config, shared};
    size_t unfit = 0;
    PersistentReplica replica{context, *this, databases, {[](const holding&) {}, [](const TransactionId&) {}, [this] { unfit++; }}};
    PersistentCoordinator coordinator{context, *this, databases};
    std::vector<std::pair<Pnn, protocol::slot_message>> sent;
};

TEST_F(PersistentTest, AReplicaWhoseDiskIsFullAsksAgain) {
    replica.view_accepted();
    EXPECT_EQ(count(&protocol::slot_body::is_holds), 1U);
    protocol::catch_up part;
    part.epoch = epoch;
    part.target = holding_of(3);
    part.whole = part.last = true;
    replica.catch_up(part);
    replica.catch_up(part);
    ASSERT_EQ(context.actions.size(), 1U) << "what comes twice is written once";
    replica.written(std::get<WritePersistent>(context.actions[0]).ticket, false);
    EXPECT_EQ(unfit, 1U);
    replica.tick();
    EXPECT_EQ(count(&protocol::slot_body::is_holds), 1U);
    context.now += 3 * second;
    replica.tick();
    EXPECT_EQ(count(&protocol::slot_body::is_holds), 2U) << "it says again what it has";
    replica.catch_up(part);
    ASSERT_EQ(context.actions.size(), 2U);
    replica.written(std::get<WritePersistent>(context.actions[1]).ticket, true);
    EXPECT_EQ(count(&protocol::slot_body::is_was_brought), 1U);
    replica.catch_up(part);
    EXPECT_EQ(context.actions.size(), 2U) << "what it has already is not written";
    EXPECT_EQ(count(&protocol::slot_body::is_was_brought), 2U);
}

TEST_F(PersistentTest, ATransactionThatTheDiskDoesNotDropIsDroppedLater) {
    replica.view_accepted();
    protocol::opened opened;
    opened.epoch = epoch;
    replica.opened(opened);
    protocol::prepare prepare;
    prepare.epoch = epoch;
    prepare.database = database;
    prepare.seqnum = 1;
    prepare.last = true;
    replica.prepare(0, prepare);
    replica.written(std::get<WritePersistent>(context.actions.back()).ticket, true);
    replica.decided(0, {epoch, database, 1, false});
    ASSERT_EQ(std::get<WritePersistent>(context.actions.back()).kind, PersistentWrite::drop);
    replica.written(std::get<WritePersistent>(context.actions.back()).ticket, false);
    EXPECT_EQ(count(&protocol::slot_body::is_was_dropped), 0U);
    const size_t actions = context.actions.size();
    context.now += 3 * second;
    replica.tick();
    ASSERT_EQ(context.actions.size(), actions + 1);
    replica.written(std::get<WritePersistent>(context.actions.back()).ticket, true);
    EXPECT_EQ(count(&protocol::slot_body::is_was_dropped), 1U);
}

// What was asked for twice may be half here when all is open.
TEST_F(PersistentTest, ATransactionHasNothingOfACopyThatCameTooLate) {
    replica.view_accepted();
    protocol::catch_up part;
    part.epoch = epoch;
    part.target = holding_of(3);
    part.whole = true;
    part.writes = {{{1}, {1}}};
    replica.catch_up(part);
    protocol::opened opened;
    opened.epoch = epoch;
    replica.opened(opened);
    protocol::prepare prepare;
    prepare.epoch = epoch;
    prepare.database = database;
    prepare.seqnum = 1;
    prepare.last = true;
    prepare.writes = {{{2}, {2}}};
    replica.prepare(0, prepare);
    EXPECT_EQ(std::get<WritePersistent>(context.actions.back()).writes.size(), 1U);
}

TEST_F(PersistentTest, TheCoordinatorHasItBroughtAgain) {
    coordinator.view_accepted();
    protocol::have newest{epoch, {holding_of(3)}}, none{epoch, {}};
    coordinator.holds(0, newest);
    coordinator.holds(1, none);
    EXPECT_EQ(count(&protocol::slot_body::is_bringing), 1U);
    protocol::have again{epoch, {}};
    coordinator.holds(1, again);
    EXPECT_EQ(count(&protocol::slot_body::is_bringing), 2U);
    EXPECT_EQ(count(&protocol::slot_body::is_was_opened), 0U);
    coordinator.brought(1, {epoch, database});
    EXPECT_EQ(count(&protocol::slot_body::is_was_opened), 2U);
}

}  // namespace
}  // namespace Atoll::ctdb
