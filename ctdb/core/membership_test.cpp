#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "ctdb/core/core.h"
#include "ctdb/core/empty_stores_test.h"

namespace Atoll::ctdb {
namespace {

constexpr Pnn leader = 0, me = 1;
constexpr AddressId address = 4;

// A node that is told by the leader what it is.
class MembershipTest : public testing::Test {
 protected:
    MembershipTest() {
        config_.me = me;
        config_.slots = 1;
        config_.nodes = {leader, me};
        core_.emplace(config_, shared_, store_);
    }

    // The `number`th view of the leader's term, in which this node has that session, and who holds the address.
    std::vector<Action> view(uint64_t number, uint64_t session, Pnn holder) {
        protocol::view view;
        view.id = id_of(number);
        view.locators = {leader};
        view.located_since = {id_of(1)};
        for (const auto& [pnn, of] : {std::pair{leader, id_of(1)}, {me, id_of(session)}}) {
            protocol::member member;
            member.pnn = pnn;
            member.incarnation = pnn == me ? config_.incarnation : 1;
            member.session = of;
            view.members.push_back(member);
        }
        protocol::address placed;
        placed.id = address;
        placed.holder = holder;
        placed.former = no_node;
        view.addresses.push_back(placed);
        Buffer bytes;
        encode(view, bytes, protocol::view::newest_version);
        protocol::message message;
        message.from = leader;
        message.to = me;
        message.body.make_viewed() = std::vector<uint8_t>(bytes.data(), bytes.data() + bytes.size());
        return actions(Received{std::move(message)});
    }
    std::vector<Action> actions(Event event) {
        now_ += millisecond;
        const auto done = core_->handle(std::move(event), now_);
        return {done.begin(), done.end()};
    }
    static ViewId id_of(uint64_t number) { return (Term{7} << 32) + number; }
    // From the leader's second incarnation, which leads.
    std::vector<Action> keepalive() {
        protocol::message message;
        message.from = leader;
        message.to = me;
        protocol::keepalive& alive = message.body.make_alive();
        alive.incarnation = 2;
        alive.term = 7;
        alive.sent = now_;
        return actions(Received{std::move(message)});
    }
    template <class Kind>
    static bool has(const std::vector<Action>& actions) {
        return std::ranges::any_of(actions, [](const Action& action) { return std::holds_alternative<Kind>(action); });
    }

    std::optional<Core> core_;

 private:
    Config config_;
    NodeLease lease_;
    std::array<SlotGate, 1> gates_;
    NoRecords records_;
    NoDatabases store_;
    SharedState shared_{lease_, gates_, records_};
    Time now_ = second;
};

TEST_F(MembershipTest, ASessionBeginsWithItsView) {
    EXPECT_TRUE(has<TakeAddress>(view(2, 2, me)));
    EXPECT_EQ(core_->session(), id_of(2));
    EXPECT_TRUE(has<ReleaseAddress>(view(3, 2, leader)));
    EXPECT_EQ(core_->session(), id_of(2)) << "a member may release an address while it serves";
}

TEST_F(MembershipTest, NoSessionBeginsBeforeTheAddressesOfTheLastAreReleased) {
    view(2, 2, me);
    const auto ended = view(3, 3, leader);  // it has slept meanwhile, and others have its address
    EXPECT_TRUE(has<ReleaseAddress>(ended));
    EXPECT_TRUE(has<EndClients>(ended));
    EXPECT_EQ(core_->session(), 0u);
    view(3, 3, leader);
    EXPECT_EQ(core_->session(), 0u) << "the address is still there";
    actions(AddressReleased{address});
    view(3, 3, leader);
    EXPECT_EQ(core_->session(), id_of(3));
}

TEST_F(MembershipTest, TheLockOfALeaderThatHasEndedIsAskedForAtOnce) {
    keepalive();
    EXPECT_FALSE(has<TakeLock>(actions(Ticked{})));
    EXPECT_FALSE(has<TakeLock>(actions(PeerEnded{leader, 1}))) << "an earlier incarnation";
    EXPECT_TRUE(has<TakeLock>(actions(PeerEnded{leader, 2})));
    EXPECT_FALSE(has<TakeLock>(actions(PeerEnded{leader, 2}))) << "it has been asked for";
}

}  // namespace
}  // namespace Atoll::ctdb
