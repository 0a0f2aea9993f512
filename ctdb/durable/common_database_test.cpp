// Of two real daemons.
#include "ctdb/durable/common_database.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "ctdb/client/two_nodes_test.h"
#include "ctdb/durable/durable_keys.h"
#include "ctdb/durable/persistent_reader.h"

namespace Atoll::ctdb {
namespace {

using Outcome = CommonDatabase::Outcome;

class CommonDatabaseTest : public testing::Test {
 protected:
    CommonDatabaseTest() {
        for (int pnn = 0; pnn < 2; pnn++) EXPECT_TRUE(await_that([&] { return cluster.runs(pnn, 2); })) << "node " << pnn << " does not run";
        PersistentReader reader(cluster.socket(0), durable_database);
        EXPECT_TRUE(await_that([&] { return reader.attach().ok(); }));
        for (int pnn = 0; pnn < 2; pnn++) {
            auto opened = open_common_database(loop, cluster.socket(pnn), durable_database);
            EXPECT_TRUE(opened.ok());
            nodes.push_back(std::move(*opened));
        }
    }
    // nullopt: it was not heard of within the time.
    std::optional<Outcome> commit(int pnn, int64_t base, Writes writes) {
        std::optional<Outcome> out;
        nodes[static_cast<size_t>(pnn)]->commit(base, std::move(writes), [&out](Outcome outcome) { out = outcome; });
        const Monotonic deadline = monotonic_now() + std::chrono::seconds(30);
        while (!out && monotonic_now() < deadline) (void)loop.run_once(monotonic_now() + std::chrono::milliseconds(50));
        return out;
    }
    static protocol::record_write record(std::string_view key, size_t size) {
        return {durable_key("one", as_bytes(key)), Value(size, 'v')};
    }

    TwoNodes cluster;
    loop::Loop loop;
    std::vector<std::unique_ptr<CommonDatabase>> nodes;
};

TEST_F(CommonDatabaseTest, WhatOneNodeCommitsTheOtherReads) {
    Writes writes;
    constexpr size_t records = 200, size = 10'000;  // more than one request takes
    for (size_t i = 0; i < records; i++) writes.push_back(record(std::to_string(i), size));
    ASSERT_EQ(commit(0, protocol::ANY_SEQUENCE, std::move(writes)), Outcome::committed);
    PersistentReader other(cluster.socket(1), durable_database);
    size_t seen = 0;
    const auto visited = other.traverse("one", [&](Bytes, Bytes value) {
        seen += value.size();
        return tdb::Visit::go_on;
    });
    ASSERT_TRUE(visited.ok());
    EXPECT_EQ(*visited, records);
    EXPECT_EQ(seen, records * size);
    EXPECT_EQ(*other.traverse("on", [](Bytes, Bytes) { return tdb::Visit::go_on; }), 0u) << "another database's";
}

TEST_F(CommonDatabaseTest, WhoReadBeforeAnotherCommittedConflicts) {
    const auto sequence = nodes[0]->sequence();
    ASSERT_TRUE(sequence.ok());
    ASSERT_EQ(commit(1, protocol::ANY_SEQUENCE, {record("a", 1)}), Outcome::committed);
    EXPECT_EQ(commit(0, static_cast<int64_t>(*sequence), {record("a", 2)}), Outcome::conflict);
    Buffer value;
    EXPECT_TRUE(*nodes[0]->fetch(record("a", 1).key, value));
    EXPECT_EQ(value.size(), 1u);
}

// The other's disk has it, whether its node was there or comes back.
TEST_F(CommonDatabaseTest, ACommitOutlivesTheNodeThatMadeIt) {
    ASSERT_EQ(commit(1, protocol::ANY_SEQUENCE, {record("a", 7)}), Outcome::committed);
    bool is_lost = false;
    nodes[1]->on_lost = [&] { is_lost = true; };
    cluster.kill(1);
    EXPECT_TRUE(await_that([&] {
        (void)loop.run_once(monotonic_now() + std::chrono::milliseconds(10));
        return is_lost;
    }));
    ASSERT_EQ(commit(0, protocol::ANY_SEQUENCE, {record("b", 1)}), Outcome::committed);
    Buffer value;
    EXPECT_TRUE(*nodes[0]->fetch(record("a", 1).key, value));
    EXPECT_EQ(value.size(), 7u);
}

}  // namespace
}  // namespace Atoll::ctdb
