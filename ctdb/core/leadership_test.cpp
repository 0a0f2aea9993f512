#include <gtest/gtest.h>

#include <array>

#include "ctdb/core/core.h"
#include "ctdb/core/empty_stores_test.h"

namespace Atoll::ctdb {
namespace {

// Node 2, alone, which takes the lock and finds in the register who has every committed transaction on its disk.
class LeadershipTest : public testing::Test {
 protected:
    LeadershipTest() {
        config_.me = 2;
        config_.slots = 1;
        config_.nodes = {1, 2};
    }

    // The first view that it writes.
    protocol::persistence first_view(std::vector<Pnn> synced) {
        protocol::view stored;
        stored.id = (Term{6} << 32) + 1;
        stored.locators = {0};
        stored.located_since = {stored.id};
        stored.persistent.epoch = stored.id;
        stored.persistent.synced = std::move(synced);
        Core core(config_, shared_, store_);
        Time now = second;
        core.handle(Ticked{}, now);
        core.handle(LockTaken{7, stored}, now);
        for (const Action& action : core.handle(LockChecked{7, now, true}, now)) {
            if (const auto* write = std::get_if<WriteRegister>(&action)) return write->view.persistent;
        }
        ADD_FAILURE() << "nothing was written to the register";
        return {};
    }

 private:
    Config config_;
    NodeLease lease_;
    std::array<SlotGate, 1> gates_;
    NoRecords records_;
    NoDatabases store_;
    SharedState shared_{lease_, gates_, records_};
};

TEST_F(LeadershipTest, ANodeThatIsNotListedIsForgottenWhereAnotherHasEverything) {
    const protocol::persistence persistent = first_view({0, 2});
    EXPECT_EQ(persistent.synced, std::vector<Pnn>{2});
    EXPECT_EQ(persistent.coordinator, 2U);
}

TEST_F(LeadershipTest, TheLastThatHasEverythingIsNotForgottenBecauseItIsNotListed) {
    const protocol::persistence persistent = first_view({0});
    EXPECT_EQ(persistent.synced, std::vector<Pnn>{0});
    EXPECT_EQ(persistent.coordinator, no_node) << "others would go on without what it has";
}

TEST_F(LeadershipTest, WhereNobodyIsSaidToHaveAnythingAllCount) {
    const protocol::persistence persistent = first_view({});
    EXPECT_EQ(persistent.synced, std::vector<Pnn>{2});
    EXPECT_EQ(persistent.coordinator, 2U);
}

}  // namespace
}  // namespace Atoll::ctdb
