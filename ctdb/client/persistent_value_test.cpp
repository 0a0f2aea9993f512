#include "ctdb/client/persistent_value.h"

#include <gtest/gtest.h>

#include "ctdb/client/two_nodes_test.h"

namespace Atoll::ctdb {
namespace {

TEST(PersistentValueTest, TheFirstNodesStandsForBoth) {
    TwoNodes cluster;
    for (int pnn = 0; pnn < 2; pnn++) ASSERT_TRUE(await_that([&] { return cluster.runs(pnn, 2); })) << "node " << pnn << " does not run";
    const auto agree = [&](int pnn, std::string_view key, std::string_view first) {
        Result<std::string> agreed = fail(Code::busy, "", "");
        (void)await_that([&] {
            auto daemon = DaemonConnection::connect(cluster.socket(pnn));
            if (daemon) agreed = agree_on_value(*daemon, "values.tdb", key, first);
            return agreed.ok();
        });
        return agreed;
    };
    EXPECT_EQ(*agree(1, "colour", "blue"), "blue");
    EXPECT_EQ(*agree(0, "colour", "red"), "blue");
    EXPECT_EQ(*agree(1, "colour", "green"), "blue");
    EXPECT_EQ(*agree(0, "shape", "round"), "round");
    EXPECT_EQ(*agree(1, "shape", "square"), "round");
}

}  // namespace
}  // namespace Atoll::ctdb
