#include "ctdb/daemon/statistics.h"

#include <gtest/gtest.h>

#include "ctdb/daemon/limits.h"

namespace Atoll::ctdb {
namespace {

Value key_of(size_t number) { return {static_cast<uint8_t>(number), static_cast<uint8_t>(number >> 8)}; }

TEST(Statistics, CountsSinceTheResetAndByIntervals) {
    Statistics statistics(10 * second);
    statistics.count(&protocol::statistics::client_packets_recv);
    statistics.tick(10 * second + 1, 1);
    EXPECT_FALSE(statistics.of(1, 0).ok());
    statistics.tick(11 * second, 1);
    statistics.count(&protocol::statistics::client_packets_recv);
    EXPECT_EQ(statistics.of(0, 12 * second)->client_packets_recv, 2U);
    EXPECT_EQ(statistics.of(0, 12 * second)->now, 12 * second);
    EXPECT_EQ(statistics.of(1, 12 * second)->client_packets_recv, 1U);
    EXPECT_EQ(statistics.of(1, 12 * second)->now, 11 * second);
    statistics.reset(13 * second);
    EXPECT_EQ(statistics.of(0, 13 * second)->client_packets_recv, 0U);
    EXPECT_EQ(statistics.of(0, 13 * second)->since, 13 * second);
    EXPECT_EQ(statistics.of(1, 13 * second)->client_packets_recv, 1U);
}

TEST(Statistics, ALatencyHasItsExtremes) {
    Statistics statistics(0);
    for (const uint64_t took : {7U, 3U, 5U}) statistics.lasted(&protocol::statistics::call, took);
    const protocol::latency call = statistics.of(0, 0)->call;
    EXPECT_EQ(call.count, 3U);
    EXPECT_EQ(call.least, 3U);
    EXPECT_EQ(call.most, 7U);
    EXPECT_EQ(call.total, 15U);
}

TEST(Statistics, HotKeysAreFoundAmongManyThatAreNot) {
    Statistics statistics(0);
    for (size_t turn = 0; turn < 50 * limits::max_hot_keys; turn++) {
        statistics.arrived({7, key_of(1000 + turn)});
        if (turn % 4 == 0) statistics.arrived({7, key_of(1)});
    }
    statistics.arrived({8, key_of(2)});
    const auto found = statistics.of_database(7);
    ASSERT_EQ(found.hot_keys.size(), protocol::HOT_KEYS);
    EXPECT_EQ(found.hot_keys[0].key, key_of(1));
    EXPECT_EQ(found.arrivals, 50 * limits::max_hot_keys * 5 / 4);
    EXPECT_EQ(statistics.of_database(8).hot_keys.size(), 1U);
    EXPECT_EQ(statistics.of_database(9).arrivals, 0U);
}

}  // namespace
}  // namespace Atoll::ctdb
