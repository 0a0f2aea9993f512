#include "ctdb/client/cluster_messaging.h"

#include <gtest/gtest.h>

#include "ctdb/client/limits.h"
#include "ctdb/client/two_nodes_test.h"
#include "idl/level.h"

namespace Atoll::ctdb {
namespace {

using messaging::Message;
using messaging::MessageSocket;
using messaging::Messaging;
using messaging::ProcessClass;
using messaging::ServerId;

constexpr uint32_t type = 900;

class ClusterMessagingTest : public testing::Test {
 protected:
    void SetUp() override {
        for (int pnn = 0; pnn < 2; pnn++)
            ASSERT_TRUE(await_that([&] { return cluster.runs(pnn, 2); })) << "node " << pnn << " does not run";
    }
    std::unique_ptr<Messaging> at(int pnn, ProcessClass its_class = ProcessClass::client) {
        ServerId id = ServerId::make(its_class);
        id.node = static_cast<uint32_t>(pnn);
        auto socket = MessageSocket::open(cluster.base(pnn), id);
        EXPECT_TRUE(socket.ok());
        MessagingEvents events;
        events.node_lost = [this](uint32_t node) { lost.push_back(node); };
        events.cut_off = [this] { cut_off = true; };
        auto made = make_cluster_messaging(loop, messaging::make_local_messaging(loop, std::move(*socket)), cluster.socket(pnn), events);
        EXPECT_TRUE(made.ok()) << made.error().message();
        return made ? std::move(*made) : nullptr;
    }
    // Runs the loop until the condition holds.
    bool run_until(const std::function<bool()>& condition) {
        bool held = false;
        int turns = 0;
        loop::Timer look(loop, [&] {
            held = condition();
            if (held || ++turns > 1500) return loop.stop();
            look.set_in(std::chrono::milliseconds(10));
        });
        look.set_in(std::chrono::milliseconds(1));
        loop.run();
        return held;
    }

    TwoNodes cluster;
    loop::Loop loop;
    std::vector<uint32_t> lost;
    bool cut_off = false;
};

TEST_F(ClusterMessagingTest, ReachesProcessesOfAllNodesInOrder) {
    const auto here = at(0), neighbour = at(0), there = at(1);
    std::vector<std::string> got;
    const auto keep = [&](Message& message) {
        got.push_back(std::to_string(message.from.node) + std::string(as_text(message.payload)));
        if (as_text(message.payload) != "ask") return;
        ASSERT_TRUE(there->send(message.from, type, as_bytes("answer")).ok());
    };
    there->receive(type, keep);
    here->receive(type, keep);
    for (int number = 0; number < 100; number++) ASSERT_TRUE(here->send(there->self(), type, as_bytes(std::to_string(number))).ok());
    ASSERT_TRUE(here->send(there->self(), type, as_bytes("ask")).ok());
    ASSERT_TRUE(run_until([&] { return got.size() == 102; }));
    for (size_t number = 0; number < 100; number++) EXPECT_EQ(got[number], "0" + std::to_string(number));
    EXPECT_EQ(got[101], "1answer");
    ASSERT_TRUE(neighbour->send(here->self(), type, as_bytes("beside")).ok());
    ASSERT_TRUE(run_until([&] { return got.size() == 103; }));
    EXPECT_EQ(got[102], "0beside");
    std::string large(limits::max_cluster_message, 'x');
    ASSERT_TRUE(here->send(there->self(), type, as_bytes(large)).ok());
    ASSERT_TRUE(run_until([&] { return got.size() == 104; }));
    EXPECT_EQ(got[103], "0" + large);
    EXPECT_EQ(here->send(there->self(), type, as_bytes(large + "x")).error().code, Code::invalid);
}

// Both daemons read the newest: then all of the cluster write at it.
TEST_F(ClusterMessagingTest, WhoDoesNotReadWhatTheClusterWritesIsRefused) {
    Node node(cluster.socket(0));
    ASSERT_TRUE(node.connect().ok());
    ASSERT_TRUE(await_that([&] { return node.level() == idl::newest_known_level(); }));
    auto older = DaemonConnection::connect(cluster.socket(0));
    ASSERT_TRUE(older.ok());
    protocol::request request;
    request.node = no_node;
    request.op = protocol::operation::REGISTER;
    request.seconds = idl::newest_known_level() - 1;
    const auto reply = older->call(request, limits::daemon_patience);
    ASSERT_TRUE(reply.ok());
    EXPECT_EQ(reply->result, protocol::outcome::TOO_OLD);
}

TEST_F(ClusterMessagingTest, BroadcastsGoToAClassOnAllNodes) {
    const auto here = at(0), there = at(1), other = at(1, ProcessClass::housekeeper);
    int of_class = 0, of_other = 0;
    there->receive(type, [&](Message&) { of_class++; });
    other->receive(type, [&](Message&) { of_other++; });
    EXPECT_EQ(here->broadcast(ProcessClass::client, type, as_bytes("x")), 0U);
    here->broadcast(ProcessClass::housekeeper, type, as_bytes("y"));
    ASSERT_TRUE(run_until([&] { return of_class == 1 && of_other == 1; }));
}

TEST_F(ClusterMessagingTest, WhoHasEndedIsKnownOnTheOtherNode) {
    const auto here = at(0);
    auto there = at(1);
    const ServerId gone = there->self();
    EXPECT_TRUE(here->exists(gone));
    EXPECT_FALSE(here->exists(ServerId(1, gone.pid, gone.unique_id + 256)));
    there.reset();
    ASSERT_TRUE(await_that([&] { return !here->exists(gone); }));
    std::vector<Code> failures;
    here->failed(type, [&](const ServerId& to, uint32_t, Code why) {
        EXPECT_EQ(to, gone);
        failures.push_back(why);
    });
    ASSERT_TRUE(here->send(gone, type, as_bytes("x")).ok());
    ASSERT_TRUE(run_until([&] { return !failures.empty(); }));
    EXPECT_EQ(failures, std::vector<Code>{Code::dead});
}

TEST_F(ClusterMessagingTest, WhatAProcessSentBeforeItsEndArrives) {
    const auto there = at(1);
    int got = 0;
    there->receive(type, [&](Message&) { got++; });
    constexpr int times = 20;
    for (int time = 0; time < times; time++) {
        auto here = at(0);
        for (int number = 0; number < 3; number++) ASSERT_TRUE(here->send(there->self(), type, as_bytes("x")).ok());
        here.reset();  // with what it would have heard of them unread
    }
    ASSERT_TRUE(run_until([&] { return got == 3 * times; })) << got;
}

TEST_F(ClusterMessagingTest, ALostNodesProcessesHaveEnded) {
    const auto here = at(0);
    const auto there = at(1);
    const ServerId gone = there->self();
    lost.clear();
    cluster.end(1, SIGKILL);
    ASSERT_TRUE(run_until([&] { return !lost.empty() && cut_off; }));
    EXPECT_EQ(lost, std::vector<uint32_t>{1});
    EXPECT_FALSE(here->exists(gone));
}

}  // namespace
}  // namespace Atoll::ctdb
