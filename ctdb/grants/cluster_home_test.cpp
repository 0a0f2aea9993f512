// docs/grants.md between two real daemons: agents and processes of both nodes live in this one.
#include "ctdb/grants/cluster_home.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "ctdb/client/cluster_messaging.h"
#include "ctdb/client/two_nodes_test.h"
#include "tdb/memory/memory_database.h"

namespace Atoll::ctdb {
namespace {

using grants::Answer;
using grants::rights;
using messaging::MessageSocket;
using messaging::Messaging;
using messaging::ProcessClass;
using messaging::ServerId;

constexpr rights all_alone{.lease = grants::read_lease | grants::write_lease};

rights opening(unsigned access, unsigned shared) {
    rights out;
    out.opens = grants::open_bit(access, shared);
    return out;
}

// A node with its agent, and one process that opens files. What it uses ends when it is recalled, but for `keeps`.
class PlayedNode final : public grants::Recalls {
    std::unique_ptr<Messaging> agents_messages_, messages_;
    std::shared_ptr<Node> node_;
    std::unique_ptr<ClusterDatabase> records_;

 public:
    PlayedNode(TwoNodes& cluster, loop::Loop& loop, int pnn) {
        agents_messages_ = messages(cluster, loop, pnn, grants_agent, [this] {
            if (agent) agent->node_lost();
        });
        messages_ = messages(cluster, loop, pnn, ProcessClass::client, {});
        // Both are this process, which opens a database once.
        node_ = std::make_shared<Node>(cluster.socket(pnn));
        auto records = ClusterDatabase::open(node_, grants_database, grants_rank);
        EXPECT_TRUE(records.ok()) << records.error().message();
        records_ = std::move(*records);
        process.emplace(node_, *records_, *held, *messages_);
        start_agent(loop);
    }
    void start_agent(loop::Loop& loop) {
        agent.emplace(node_, *records_, *held, loop, *agents_messages_);
        EXPECT_TRUE(agent->begin(*this).ok());
    }
    void end_agent() { agent.reset(); }
    void recall(Bytes file, const rights& lost) override {
        recalls++;
        NtTime until;
        (void)agent->node_grants().take_back(file, lost, until, [](const tdb::LockedRecord&) { return Result<void>(); }).ok();
        EXPECT_TRUE(agent->node_grants().give_up(file, lost, grants::without(lost, grants::without(lost, keeps))));
    }
    void may_delete(Bytes) override {}
    Answer need(std::string_view file, const rights& wanted) {
        const auto answer =
            process->node_grants().need(as_bytes(file), wanted, question, [](const tdb::LockedRecord&) { return Result<void>(); });
        EXPECT_TRUE(answer.ok()) << answer.error().message();
        return answer ? *answer : Answer::refused;
    }
    bool has(std::string_view file, const rights& wanted) { return *process->node_grants().has(as_bytes(file), wanted); }
    bool uses(std::string_view file, const rights& wanted) { return *process->node_grants().uses(as_bytes(file), wanted); }
    [[nodiscard]] const Node::Counters& counters() const { return node_->counters(); }

    std::unique_ptr<tdb::MemoryDatabase> held = tdb::MemoryDatabase::open({"grants", tdb::Rank::index});
    std::optional<ClusterGrantsAgent> agent;
    std::optional<ClusterGrants> process;
    grants::Question question = 0;
    rights keeps;
    int recalls = 0;

 private:
    static std::unique_ptr<Messaging> messages(TwoNodes& cluster, loop::Loop& loop, int pnn, ProcessClass its_class,
                                               std::function<void()> lost) {
        ServerId id = ServerId::make(its_class);
        id.node = static_cast<uint32_t>(pnn);
        MessagingEvents events;
        events.node_lost = [lost](uint32_t) {
            if (lost) lost();
        };
        auto socket = MessageSocket::open(cluster.base(pnn), id);
        return std::move(
            *make_cluster_messaging(loop, messaging::make_local_messaging(loop, std::move(*socket)), cluster.socket(pnn), events));
    }
};

class ClusterHomeTest : public testing::Test {
 protected:
    void SetUp() override {
        for (int pnn = 0; pnn < 2; pnn++)
            ASSERT_TRUE(await_that([&] { return cluster.runs(pnn, 2); })) << "node " << pnn << " does not run";
        for (int pnn = 0; pnn < 2; pnn++) nodes[pnn].emplace(cluster, loop, pnn);
    }
    bool run_until(const std::function<bool()>& condition) {
        const auto deadline = monotonic_now() + std::chrono::seconds(20);
        while (!condition()) {
            if (monotonic_now() > deadline) return false;
            loop.run_once(monotonic_now() + std::chrono::milliseconds(10));
        }
        return true;
    }
    Answer await_answer(int pnn, std::string_view file, const rights& wanted) {
        Answer answer = Answer::wait;
        EXPECT_TRUE(run_until([&] { return (answer = nodes[pnn]->need(file, wanted)) != Answer::wait; }));
        return answer;
    }

    TwoNodes cluster;
    loop::Loop loop;
    std::optional<PlayedNode> nodes[2];
};

TEST_F(ClusterHomeTest, WhatIsInNobodysWayIsHereAtOnceAndStays) {
    const rights reading = opening(grants::reads, 7);
    for (auto& node : nodes) EXPECT_EQ(node->need("root", reading), Answer::here);
    const uint64_t wanted[] = {nodes[0]->counters().wanted, nodes[1]->counters().wanted};
    for (int i = 0; i < 1000; i++) {
        for (auto& node : nodes) EXPECT_EQ(node->need("root", reading), Answer::here);
    }
    for (int pnn = 0; pnn < 2; pnn++) {
        EXPECT_EQ(nodes[pnn]->counters().wanted, wanted[pnn]);
        EXPECT_EQ(nodes[pnn]->agent->counters().messages, 0u);
    }
}

TEST_F(ClusterHomeTest, WhatIsInTheWayIsRecalled) {
    EXPECT_EQ(nodes[0]->need("f", all_alone), Answer::here);
    EXPECT_EQ(nodes[1]->need("f", opening(grants::reads, 7)), Answer::wait);
    EXPECT_EQ(await_answer(1, "f", opening(grants::reads, 7)), Answer::here);
    EXPECT_FALSE(nodes[0]->has("f", {.lease = grants::write_lease}));
    EXPECT_TRUE(nodes[0]->has("f", {.lease = grants::read_lease}));
    EXPECT_EQ(nodes[0]->recalls, 1);
    EXPECT_EQ(nodes[1]->agent->counters().messages, 1u) << "the recall";
    EXPECT_EQ(nodes[0]->agent->counters().messages, 1u) << "its answer";
}

TEST_F(ClusterHomeTest, WhatIsUsedElsewhereIsRefused) {
    const rights alone = opening(grants::reads, 0);
    EXPECT_EQ(nodes[0]->need("f", alone), Answer::here);
    nodes[0]->keeps = alone;
    EXPECT_EQ(await_answer(1, "f", alone), Answer::refused);
    nodes[0]->keeps = {};
    EXPECT_EQ(await_answer(1, "f", alone), Answer::here);
    EXPECT_FALSE(nodes[0]->has("f", alone));
}

TEST_F(ClusterHomeTest, NodesTakeTurns) {
    int turns[2] = {0, 0};
    EXPECT_TRUE(run_until([&] {
        for (int pnn = 0; pnn < 2; pnn++) {
            if (nodes[pnn]->need("f", all_alone) != Answer::here) continue;
            EXPECT_FALSE(nodes[1 - pnn]->has("f", all_alone));
            if (nodes[pnn]->uses("f", all_alone)) turns[pnn]++;
        }
        return turns[0] + turns[1] >= 200;
    }));
    EXPECT_GT(turns[0], 50);
    EXPECT_GT(turns[1], 50);
}

TEST_F(ClusterHomeTest, AnAgentThatStartsAgainAsksWhatWasAsked) {
    EXPECT_EQ(nodes[0]->need("f", all_alone), Answer::here);
    nodes[1]->end_agent();
    EXPECT_EQ(nodes[1]->need("f", all_alone), Answer::wait);
    for (int i = 0; i < 20; i++) loop.run_once(monotonic_now() + std::chrono::milliseconds(10));
    EXPECT_FALSE(nodes[1]->has("f", all_alone));
    nodes[1]->start_agent(loop);
    EXPECT_TRUE(run_until([&] { return nodes[1]->has("f", all_alone); }));
    EXPECT_FALSE(nodes[0]->has("f", all_alone));
}

TEST_F(ClusterHomeTest, WhatALostNodeHadIsFreeOnceItsSessionHasEnded) {
    EXPECT_EQ(nodes[1]->need("f", all_alone), Answer::here);
    nodes[1]->keeps = all_alone;
    EXPECT_EQ(nodes[0]->need("g", opening(grants::reads, 7)), Answer::here);
    EXPECT_EQ(nodes[1]->need("g", opening(grants::reads, 7)), Answer::here);
    ::kill(-cluster.daemon(1), SIGKILL);  // its supervisor too, which would end this process
    cluster.end(1, SIGKILL);
    EXPECT_EQ(await_answer(0, "f", all_alone), Answer::here);
    EXPECT_FALSE(nodes[1]->has("f", all_alone)) << "its process has nothing any more";
    EXPECT_EQ(nodes[1]->process->nodes().self().session, 0u);
    EXPECT_TRUE(nodes[0]->has("g", opening(grants::reads, 7)));
    EXPECT_EQ(await_answer(0, "g", all_alone), Answer::here);
}

}  // namespace
}  // namespace Atoll::ctdb
