#include <gtest/gtest.h>

#include <array>
#include <map>
#include <memory>

#include "ctdb/core/core.h"
#include "ctdb/core/empty_stores_test.h"

namespace Atoll::ctdb {
namespace {

// One node of a cluster without a cluster lock. Its disk writes when it is told to.
struct Node {
    Node(Pnn me, std::vector<Pnn> nodes, std::optional<protocol::ballot> ballot = std::nullopt) {
        config.me = me;
        config.nodes = std::move(nodes);
        config.slots = 1;
        config.by_majority = true;
        config.ballot = std::move(ballot);
        core = std::make_unique<Core>(config, shared, store);
    }

    Config config;
    NodeLease lease;
    std::array<SlotGate, 1> gates;
    NoRecords records;
    NoDatabases store;
    SharedState shared{lease, gates, records};
    std::unique_ptr<Core> core;
    std::vector<protocol::ballot> to_write;
    std::vector<protocol::message> sent;
};

class QuorumTest : public testing::Test {
 protected:
    Node& add(Pnn me, const std::vector<Pnn>& nodes, std::optional<protocol::ballot> ballot = std::nullopt) {
        nodes_[me] = std::make_unique<Node>(me, nodes, std::move(ballot));
        return *nodes_[me];
    }

    void handle(Node& node, Event event) {
        for (const Action& action : node.core->handle(std::move(event), now_)) {
            if (const auto* write = std::get_if<WriteBallot>(&action)) node.to_write.push_back(write->ballot);
            if (const auto* send = std::get_if<Send>(&action)) node.sent.push_back(send->message);
        }
    }

    void write(Node& node, bool ok = true) {
        while (!node.to_write.empty()) {
            node.to_write.erase(node.to_write.begin());
            handle(node, BallotWritten{ok});
        }
    }

    // Everybody ticks, writes, and hears the others, for so long.
    void run(Time duration) {
        for (const Time until = now_ + duration; now_ < until; now_ += 20 * millisecond) {
            for (auto& [pnn, node] : nodes_) handle(*node, Ticked{});
            for (int rounds = 0; rounds < 8; rounds++) {
                for (auto& [pnn, node] : nodes_) write(*node);
                for (auto& [pnn, node] : nodes_) {
                    for (protocol::message& message : std::exchange(node->sent, {})) {
                        const auto to = nodes_.find(message.to);
                        if (to != nodes_.end()) handle(*to->second, Received{std::move(message)});
                    }
                }
            }
        }
    }

    std::vector<Pnn> leaders() {
        std::vector<Pnn> found;
        for (auto& [pnn, node] : nodes_) {
            if (node->core->leadership().has_authority()) found.push_back(pnn);
        }
        return found;
    }

    void ask(Node& node, Pnn from, protocol::quorum_message message) {
        protocol::message outer;
        outer.from = from;
        outer.to = node.config.me;
        outer.kind = protocol::message_kind::QUORUM;
        outer.body.value = std::move(message);
        handle(node, Received{std::move(outer)});
    }

    template <class Body>
    static protocol::quorum_message about(Body body) {
        protocol::quorum_message message;
        message.body.value = std::move(body);
        message.kind = static_cast<protocol::quorum_kind>(message.body.value.index());
        return message;
    }

    // The answers about votes that the node has sent since.
    static std::vector<protocol::vote> votes(Node& node) {
        std::vector<protocol::vote> found;
        for (const protocol::message& message : std::exchange(node.sent, {})) {
            if (message.body.is_of_quorum() && message.body.of_quorum().body.is_votes())
                found.push_back(message.body.of_quorum().body.votes());
        }
        return found;
    }

    static protocol::ballot unused(const std::vector<Pnn>& nodes) { return {{}, {0, 0, nodes, nodes, {}}}; }

    Time now_ = second;
    std::map<Pnn, std::unique_ptr<Node>> nodes_;
};

TEST_F(QuorumTest, ANodeThatIsAloneLeads) {
    add(0, {0});
    run(200 * millisecond);
    EXPECT_EQ(leaders(), std::vector<Pnn>{0});
}

TEST_F(QuorumTest, OneOfThreeLeads) {
    for (const Pnn pnn : {0U, 1U, 2U}) add(pnn, {0, 1, 2});
    run(2 * second);
    EXPECT_EQ(leaders().size(), 1U);
}

TEST_F(QuorumTest, AMajorityGoesOnAndAMinorityStops) {
    for (const Pnn pnn : {0U, 1U, 2U}) add(pnn, {0, 1, 2});
    run(2 * second);
    nodes_.erase(leaders().front());
    run(3 * second);
    EXPECT_EQ(leaders().size(), 1U);
    nodes_.erase(leaders().front());
    run(5 * second);
    EXPECT_EQ(leaders().size(), 0U);
}

TEST_F(QuorumTest, TwoNodesNeedEachOther) {
    add(0, {0, 1});
    run(2 * second);
    EXPECT_EQ(leaders().size(), 0U);
    add(1, {0, 1});
    run(2 * second);
    EXPECT_EQ(leaders().size(), 1U);
}

TEST_F(QuorumTest, WhoHasNothingOnItsDiskDoesNotVoteBeforeAllOthersHaveTaughtIt) {
    add(0, {0, 1, 2}, unused({0, 1, 2}));
    add(1, {0, 1, 2});
    run(2 * second);
    EXPECT_EQ(leaders().size(), 0U);
    EXPECT_EQ(nodes_[1]->core->voter().unlearned(), std::set<Pnn>{2});
    add(2, {0, 1, 2}, unused({0, 1, 2}));
    run(3 * second);
    EXPECT_TRUE(nodes_[1]->core->voter().unlearned().empty());
    EXPECT_EQ(leaders().size(), 1U);
}

TEST_F(QuorumTest, AVoteIsGivenOnceInATermAndWhenItIsOnTheDisk) {
    Node& node = add(0, {0, 1, 2}, unused({0, 1, 2}));
    ask(node, 1, about(protocol::stand{{5, 1, 1}}));
    EXPECT_TRUE(votes(node).empty());
    write(node);
    const auto given = votes(node);
    ASSERT_EQ(given.size(), 1U);
    EXPECT_TRUE(given[0].granted);
    ask(node, 2, about(protocol::stand{{5, 2, 1}}));
    EXPECT_TRUE(node.to_write.empty());
    const auto refused = votes(node);
    ASSERT_EQ(refused.size(), 1U);
    EXPECT_FALSE(refused[0].granted);
    EXPECT_EQ(refused[0].promised, 5U);
}

TEST_F(QuorumTest, AFullDiskGivesNoVote) {
    Node& node = add(0, {0, 1, 2}, unused({0, 1, 2}));
    ask(node, 1, about(protocol::stand{{5, 1, 1}}));
    write(node, false);
    EXPECT_TRUE(votes(node).empty());
    ask(node, 2, about(protocol::stand{{5, 2, 1}}));
    write(node);
    ASSERT_EQ(votes(node).size(), 1U);
}

TEST_F(QuorumTest, WhoHasSaidYesToAHolderVotesForNoOtherWhileThatMayLead) {
    Node& node = add(0, {0, 1, 2}, protocol::ballot{{5, 1, 1}, {5, 1, {0, 1, 2}, {0, 1, 2}, {}}});
    now_ += 100 * millisecond;
    handle(node, Ticked{});
    node.sent.clear();
    ask(node, 2, about(protocol::stand{{6, 2, 1}}));
    auto answers = votes(node);
    ASSERT_EQ(answers.size(), 1U);
    EXPECT_FALSE(answers[0].granted);
    handle(node, PeerEnded{1, 1});
    write(node);
    votes(node);
    ask(node, 2, about(protocol::stand{{9, 2, 1}}));
    write(node);
    answers = votes(node);
    ASSERT_EQ(answers.size(), 1U);
    EXPECT_TRUE(answers[0].granted);
}

// 0 and 1 are listed in the register; the file says that 2, 3 and 4 are too.
TEST_F(QuorumTest, AListThatIsLongerByManyCountsOnceAMajorityOfBothHasIt) {
    for (const Pnn pnn : {0U, 1U}) add(pnn, {0, 1});
    run(2 * second);
    ASSERT_EQ(leaders().size(), 1U);
    for (const Pnn pnn : {0U, 1U}) handle(*nodes_[pnn], NodesListed{{0, 1, 2, 3, 4}});
    run(second);
    EXPECT_EQ(nodes_[0]->core->voter().copy()->voters, (std::vector<uint32_t>{0, 1})) << "two of five are no majority";
    EXPECT_EQ(leaders().size(), 1U);
    for (const Pnn pnn : {2U, 3U, 4U}) add(pnn, {0, 1, 2, 3, 4});
    run(3 * second);
    for (const auto& [pnn, node] : nodes_) {
        ASSERT_NE(node->core->voter().copy(), nullptr) << pnn;
        EXPECT_EQ(node->core->voter().copy()->voters, (std::vector<uint32_t>{0, 1, 2, 3, 4})) << pnn;
        EXPECT_EQ(node->core->voter().copy()->former, (std::vector<uint32_t>{0, 1, 2, 3, 4})) << pnn;
    }
    EXPECT_EQ(leaders().size(), 1U);
}

}  // namespace
}  // namespace Atoll::ctdb
