#include <gtest/gtest.h>

#include <algorithm>

#include "ctdb/tool/commands.h"
#include "ctdb/tool/options.h"
#include "ctdb/tool/output.h"
#include "ctdb/tool/statistics_commands.h"

namespace Atoll::ctdb {
namespace {

using protocol::node_flags;

protocol::node_state sample() {
    protocol::node_state state;
    state.pnn = 1;
    state.is_member = true;
    state.generation = 99;
    state.leader = 0;
    state.locators = {0, 1};
    state.nodes = {{0, "10.0.0.1", node_flags::none, true},
                   {1, "10.0.0.2", node_flags::NODE_DISABLED, true},
                   {2, "10.0.0.3", node_flags::none, false},
                   {3, "10.0.0.4", node_flags::NODE_STOPPED, true}};
    return state;
}

// As Debian's ctdb 4.17 prints it.
TEST(ToolOutput, Status) {
    EXPECT_EQ(status_text(sample(), {}),
              "Number of nodes:4\n"
              "pnn:0 10.0.0.1         OK\n"
              "pnn:1 10.0.0.2         DISABLED (THIS NODE)\n"
              "pnn:2 10.0.0.3         DISCONNECTED|UNHEALTHY|INACTIVE\n"
              "pnn:3 10.0.0.4         STOPPED|INACTIVE\n"
              "Generation:99\nSize:2\nhash:0 lmaster:0\nhash:1 lmaster:1\nRecovery mode:NORMAL (0)\nLeader:0\n");
    EXPECT_EQ(status_text(sample(), {true, ':'}),
              ":Node:IP:Disconnected:Unknown:Banned:Disabled:Unhealthy:Stopped:Inactive:PartiallyOnline:ThisNode:\n"
              ":0:10.0.0.1:0:0:0:0:0:0:0:0:N:\n"
              ":1:10.0.0.2:0:0:0:1:0:0:0:0:Y:\n"
              ":2:10.0.0.3:1:0:0:0:1:0:1:0:N:\n"
              ":3:10.0.0.4:0:0:0:0:0:1:1:0:N:\n");
}

TEST(ToolOutput, DeletedNodesAreCounted) {
    protocol::node_state state = sample();
    state.deleted_nodes = 2;
    EXPECT_EQ(nodes_count(state), "Number of nodes:6 (including 2 deleted nodes)\n");
}

TEST(ToolOutput, Databases) {
    protocol::node_state state = sample();
    state.databases = {{0x88127240, "foo.tdb", "/v/foo.tdb.0", false, false, true},
                       {0xC445C6AB, "test.tdb", "/v/test.tdb.0", false, true, false}};
    EXPECT_EQ(databases_text(state, {}),
              "Number of databases:2\n"
              "dbid:0x88127240 name:foo.tdb path:/v/foo.tdb.0 READONLY\n"
              "dbid:0xc445c6ab name:test.tdb path:/v/test.tdb.0 STICKY\n");
    EXPECT_NE(databases_text(state, {true, '|'}).find("|0x88127240|foo.tdb|/v/foo.tdb.0|0|0|0|1|0|\n"), std::string::npos);
    EXPECT_NE(databases_text(state, {true, '|'}).find("|0xC445C6AB|test.tdb|/v/test.tdb.0|0|1|0|0|0|\n"), std::string::npos);
    EXPECT_NE(database_text(state.databases[1]).find("STICKY: yes\nREADONLY: no\n"), std::string::npos);
}

TEST(ToolOutput, Statistics) {
    protocol::statistics found;
    found.num_clients = 3;
    found.node_req_call = 12;
    found.call = {2, 1'000, 3'000, 4'000};
    const std::string text = statistics_text(found);
    EXPECT_NE(text.find("\n num_clients                        3\n frozen                             0\n"), text.npos) << text;
    EXPECT_NE(text.find("\n node\n     req_call                      12\n     reply_call                     0\n"), text.npos) << text;
    EXPECT_NE(text.find("\n pending_childwrite_calls             0\n"), text.npos) << text;
    EXPECT_NE(text.find("\n call_latency       MIN/AVG/MAX     0.001000/0.002000/0.003000 sec out of 2\n"), text.npos) << text;
    const std::string head = statistics_head('|'), row = statistics_row(found, '|');
    EXPECT_EQ(std::count(head.begin(), head.end(), '|'), std::count(row.begin(), row.end(), '|'));
}

TEST(ToolOutput, HotKeysAreInHex) {
    protocol::database_statistics found;
    found.hot_keys = {{7, {0x6b, 0x0a}}};
    const std::string text = database_statistics_text("x.tdb", found);
    EXPECT_NE(text.find(" Num Hot Keys:     10\n     Count:7 Key:6b0a\n     Count:0 Key:\n"), text.npos) << text;
}

TEST(ToolOutput, NoMember) {
    protocol::node_state state = sample();
    state.is_member = false;
    state.recovering = true;
    state.leader = protocol::NO_NODE;
    state.locators.clear();
    const std::string text = status_text(state, {});
    EXPECT_NE(text.find("Generation:INVALID\nSize:0\nRecovery mode:RECOVERY (1)\nLeader:UNKNOWN\n"), text.npos) << text;
}

TEST(ToolOptions, AreThoseOfTheManual) {
    const auto parsed = parse_options({"-n", "2", "status", "-Y", "-x", ";", "--timelimit=3", "-v", "--", "-3"});
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(parsed->node, 2U);
    EXPECT_EQ(parsed->time_limit, 3U);
    EXPECT_TRUE(parsed->format.machine && parsed->format.separator == ';' && parsed->verbose);
    EXPECT_EQ(parsed->words, (std::vector<std::string>{"status", "-3"}));
    EXPECT_EQ(parse_options({"-n", "all"}).error().text, "Invalid option all: invalid numeric value");
    EXPECT_EQ(parse_options({"-t"}).error().text, "Invalid option -t: missing argument");
    EXPECT_FALSE(parse_options({"--nosuch"}).ok());
}

TEST(ToolCommands, StandInTheUsageAsInDebians) {
    for (const Command& command : commands()) {
        if (std::string(command.name) == "ban") {
            EXPECT_EQ(command_line(command), "  ban             <bantime>                    ban a node\n");
        }
        EXPECT_LE(command.least, command.most) << command.name;
    }
}

}  // namespace
}  // namespace Atoll::ctdb
