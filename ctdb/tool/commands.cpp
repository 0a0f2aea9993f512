#include "ctdb/tool/commands.h"

#include <fmt/core.h>

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <functional>
#include <thread>

#include "base/log.h"
#include "base/time.h"
#include "ctdb/protocol/version.h"
#include "ctdb/tool/address_commands.h"
#include "ctdb/tool/administration_commands.h"
#include "ctdb/tool/backup_commands.h"
#include "ctdb/tool/database_commands.h"
#include "ctdb/tool/event_commands.h"
#include "ctdb/tool/output.h"
#include "ctdb/tool/persistent_commands.h"
#include "ctdb/tool/persistent_database.h"
#include "ctdb/tool/reload_nodes.h"
#include "ctdb/tool/statistics_commands.h"

namespace Atoll::ctdb {

using protocol::node_flags;
using protocol::operation;
using protocol::outcome;

namespace {

constexpr int invalid_value = 22;  // EINVAL

const char* outcome_text(outcome result) {
    switch (result) {
        case outcome::NO_NODE_THERE: return "the node is not connected";
        case outcome::NOT_SERVING: return "the node does not serve";
        case outcome::NO_SPACE: return "is too large";
        default: return "refused";
    }
}

bool whole_number(const std::string& text, uint32_t& out) {
    const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return !text.empty() && error == std::errc() && at == text.data() + text.size();
}

const protocol::node_entry* entry_of(const protocol::node_state& state, uint32_t pnn) {
    for (const auto& node : state.nodes) {
        if (node.pnn == pnn) return &node;
    }
    return nullptr;
}

int show(Call& call, const std::function<std::string(const protocol::node_state&)>& text) {
    const auto state = call.state_of(call.node);
    if (!state) return state.error();
    say(text(*state));
    return 0;
}

int run_version(Call&) {
    say(std::string(version) + "\n");
    return 0;
}

int run_status(Call& call) {
    return show(call, [&](const auto& state) { return status_text(state, call.options.format); });
}

int run_uptime(Call& call) { return show(call, uptime_text); }

int run_pnn(Call& call) {
    if (call.options.node) {
        complain("Node cannot be specified for command pnn");
        return failure;
    }
    say(fmt::format("{}\n", call.here.pnn));
    return 0;
}

int run_getpid(Call& call) {
    return show(call, [](const auto& state) { return fmt::format("{}\n", state.pid); });
}

int run_leader(Call& call) {
    return show(call, [](const auto& state) { return leader_text(state) + "\n"; });
}

int run_getreclock(Call& call) {
    return show(call, [](const auto& state) { return state.cluster_lock + "\n"; });
}

int run_getdbmap(Call& call) {
    return show(call, [&](const auto& state) { return databases_text(state, call.options.format); });
}

int run_getdebug(Call& call) {
    return show(call, [](const auto& state) { return std::string(conf::name_of_log_level(static_cast<int>(state.debug_level))) + "\n"; });
}

// A number up to 10, or how a name begins.
std::optional<int> debug_level(const std::string& text) {
    struct Level {
        const char* name;
        unsigned long number;
    };
    constexpr Level levels[] = {{"DEBUG", 10}, {"INFO", 5}, {"NOTICE", 3}, {"WARNING", 1}, {"ERROR", 0}};
    char* end = nullptr;
    const unsigned long number = std::strtoul(text.c_str(), &end, 10);
    const bool is_number = end != text.c_str();
    if (text.empty() || (is_number && number > levels[0].number)) return std::nullopt;
    for (const Level& level : levels) {
        if (is_number ? number >= level.number : ::strncasecmp(level.name, text.c_str(), text.size()) == 0)
            return conf::log_level_named(level.name);
    }
    return std::nullopt;
}

int run_setdebug(Call& call) {
    const auto level = debug_level(call.arguments[0]);
    if (!level) {
        complain("Invalid debug level '" + call.arguments[0] + "'. Valid levels are:\n\tERROR | WARNING | NOTICE | INFO | DEBUG");
        return failure;
    }
    const auto done = call.ask(operation::SET_DEBUG, static_cast<uint32_t>(*level));
    return done ? 0 : done.error();
}

int run_ping(Call& call) {
    const Monotonic began = monotonic_now();
    const auto reply = call.ask(operation::PING);
    if (!reply) return reply.error();
    const double took = std::chrono::duration<double>(monotonic_now() - began).count();
    say(fmt::format("response from {} time={:.6f} sec  ({} clients)\n", call.node, took, reply->state ? reply->state->clients : 0));
    return 0;
}

int run_runstate(Call& call) {
    static const std::vector<std::string> known = {"setup", "first_recovery", "startup", "running"};
    const auto state = call.state_of(call.node);
    if (!state) return state.error();
    const std::string runs = run_state_text(state->runs);
    bool wanted = call.arguments.empty();
    for (const std::string& argument : call.arguments) {
        bool valid = false;
        for (const std::string& name : known) valid = valid || ::strcasecmp(name.c_str(), argument.c_str()) == 0;
        if (!valid) {
            say("Invalid run state (" + argument + ")\n");
            return failure;
        }
        wanted = wanted || ::strcasecmp(argument.c_str(), runs.c_str()) == 0;
    }
    if (!wanted) {
        say("CTDB not in required run state (got " + runs + ")\n");
        return failure;
    }
    say(runs + "\n");
    return 0;
}

int run_listnodes(Call& call) {
    const auto nodes = conf::load_nodes(call.paths);
    if (!nodes) {
        complain(nodes.error().message());
        return failure;
    }
    const Format& format = call.options.format;
    for (const auto& node : nodes->live) {
        const std::string bar(1, format.separator);
        say(format.machine ? bar + std::to_string(node.pnn) + bar + node.address + bar + "\n" : node.address + "\n");
    }
    return 0;
}

// The exit status is what all of them have together.
int run_nodestatus(Call& call) {
    const auto state = call.state_of(call.node);
    if (!state) return state.error();
    const bool all = !call.arguments.empty() && call.arguments[0] == "all";
    std::vector<const protocol::node_entry*> wanted;
    std::string list = call.arguments.empty() ? std::to_string(state->pnn) : call.arguments[0];
    for (const auto& node : state->nodes) {
        if (all) wanted.push_back(&node);
    }
    while (!all && !list.empty()) {
        const size_t comma = list.find(',');
        uint32_t pnn = 0;
        if (!whole_number(list.substr(0, comma), pnn)) {
            complain("Invalid node " + list.substr(0, comma));
            return failure;
        }
        wanted.push_back(entry_of(*state, pnn));
        if (wanted.back() == nullptr) {
            complain(fmt::format("Node {} does not exist", pnn));
            return failure;
        }
        list = comma == list.npos ? "" : list.substr(comma + 1);
    }
    uint32_t bits = 0;
    if (call.options.format.machine) say(node_head(call.options.format));
    if (all && !call.options.format.machine) say(nodes_count(*state));
    for (const auto* node : wanted) {
        say(node_line(*state, *node, call.options.format));
        bits |= status_bits(*node);
    }
    return static_cast<int>(bits);
}

// Until this node's daemon knows that the other has the flag, or has not: who asks next sees it.
int wait_for_flag(Call& call, node_flags flag, bool on) {
    const Monotonic deadline = monotonic_now() + std::chrono::seconds(call.options.time_limit);
    for (;;) {
        const auto state = call.state_of(call.here.pnn);
        if (!state) return state.error();
        const auto* node = entry_of(*state, call.node);
        if (node == nullptr || !node->connected || any(node->flags & flag) == on) return 0;
        if (monotonic_now() > deadline) {
            complain("Timed out");
            return failure;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

int change_flag(Call& call, operation op, node_flags flag, bool on, const char* already, uint32_t seconds = 0) {
    const auto* node = entry_of(call.here, call.node);
    if (already != nullptr && node != nullptr && any(node->flags & flag) == on) {
        complain(fmt::format("Node {} is {}", call.node, already));
        return 0;
    }
    const auto done = call.ask(op, seconds);
    return done ? wait_for_flag(call, flag, on) : done.error();
}

int run_disable(Call& call) { return change_flag(call, operation::DISABLE, node_flags::NODE_DISABLED, true, "already disabled"); }
int run_enable(Call& call) { return change_flag(call, operation::ENABLE, node_flags::NODE_DISABLED, false, "not disabled"); }
int run_stop(Call& call) { return change_flag(call, operation::STOP, node_flags::NODE_STOPPED, true, "already stopped"); }
int run_continue(Call& call) { return change_flag(call, operation::CONTINUE, node_flags::NODE_STOPPED, false, "not stopped"); }
int run_unban(Call& call) { return change_flag(call, operation::UNBAN, node_flags::NODE_BANNED, false, "not banned"); }

int run_ban(Call& call) {
    uint32_t seconds = 0;
    if (!whole_number(call.arguments[0], seconds)) return invalid_value;
    if (seconds == 0) {
        complain("Ban time cannot be zero");
        return invalid_value;
    }
    return change_flag(call, operation::BAN, node_flags::NODE_BANNED, true, nullptr, seconds);
}

// A daemon that has gone has done it.
int run_shutdown(Call& call) {
    protocol::request request;
    request.node = call.node;
    request.op = operation::SHUTDOWN;
    const auto reply = call.client->call(request, std::chrono::seconds(call.options.time_limit));
    if (reply || reply.error().code == Code::dead) return 0;
    complain(reply.error().message());
    return failure;
}

int run_attach(Call& call) {
    const std::string kind = call.arguments.size() > 1 ? call.arguments[1] : "";
    if (!kind.empty() && kind != "persistent" && kind != "replicated") return usage_status;
    protocol::request request;
    request.node = call.node;
    request.op = kind.empty() ? operation::ATTACH : operation::ATTACH_PERSISTENT;
    request.seconds = kind == "replicated" ? 1 : 0;
    request.database = call.arguments[0];
    const auto done = call.ask(request);
    return done ? 0 : done.error();
}

int run_getdbstatus(Call& call) {
    const auto* database = call.database_named(call.arguments[0]);
    if (database == nullptr) return failure;
    say(database_text(*database));
    return 0;
}

Result<protocol::reply, int> on_key(Call& call, operation op, const std::string& data, uint32_t seconds = 0) {
    const auto* database = call.database_named(call.arguments[0]);
    if (database == nullptr) return failure;
    if (has_transactions(*database)) {
        complain("DB " + database->name + " is not a volatile database");
        return failure;
    }
    protocol::request request;
    request.node = call.node;
    request.op = op;
    request.seconds = seconds;
    request.database = database->name;
    request.key.assign(call.arguments[1].begin(), call.arguments[1].end());
    request.data.assign(data.begin(), data.end());
    if (request.key.size() > protocol::MAX_KEY || request.data.size() > protocol::MAX_DATA) {
        complain("the key or the value is too large");
        return failure;
    }
    return call.ask(request);
}

int run_readkey(Call& call) {
    const bool readonly = call.arguments.size() > 2;
    if (readonly && call.arguments[2] != "readonly") return usage_status;
    const auto reply = on_key(call, operation::READ_KEY, "", readonly ? 1 : 0);
    if (!reply) return reply.error();
    say(fmt::format("Data: size:{} ptr:[{}]\n", reply->data.size(), std::string(reply->data.begin(), reply->data.end())));
    return 0;
}

int run_writekey(Call& call) {
    const auto reply = on_key(call, operation::WRITE_KEY, call.arguments[2]);
    return reply ? 0 : reply.error();
}

// A record without a value is none.
int run_deletekey(Call& call) {
    const auto reply = on_key(call, operation::WRITE_KEY, "");
    return reply ? 0 : reply.error();
}

}  // namespace

const protocol::database_entry* Call::database_named(const std::string& name) const {
    for (const auto& database : here.databases) {
        if (database.name == name || fmt::format("0x{:08x}", database.id) == name || fmt::format("0x{:x}", database.id) == name)
            return &database;
    }
    complain("No database matching '" + name + "' found");
    return nullptr;
}

Result<protocol::reply, int> Call::ask(operation op, uint32_t seconds) {
    protocol::request request;
    request.node = node;
    request.op = op;
    request.seconds = seconds;
    return ask(request);
}

Result<protocol::reply, int> Call::ask(protocol::request request) {
    auto reply = client->call(request, std::chrono::seconds(options.time_limit));
    if (!reply) {
        complain(reply.error().message());
        return failure;
    }
    if (reply->result == outcome::DONE) return std::move(*reply);
    complain(reply->text.empty() ? outcome_text(reply->result) : reply->text);
    return failure;
}

Result<protocol::node_state, int> Call::state_of(uint32_t pnn) {
    protocol::request request;
    request.node = pnn;
    request.op = operation::STATE;
    auto reply = ask(request);
    if (!reply) return reply.error();
    if (!reply->state) {
        complain("ctdbd says nothing of its state");
        return failure;
    }
    return std::move(*reply->state);
}

namespace {

std::vector<Command> node_commands() {
    return {
        {"version", run_version, "", "show version of ctdb", 0, any_number, false},
        {"status", run_status, "", "show node status"},
        {"uptime", run_uptime, "", "show node uptime", 0, any_number},
        {"ping", run_ping, "", "ping a node", 0, any_number},
        {"runstate", run_runstate, "[setup|first_recovery|startup|running]", "get/check runstate of a node", 0, 4},
        {"getdbmap", run_getdbmap, "", "show attached databases"},
        {"getdbstatus", run_getdbstatus, "<dbname|dbid>", "show database status", 1, 1},
        {"pnn", run_pnn, "", "show the pnn of the current node", 0, any_number},
        {"setdebug", run_setdebug, "ERROR|WARNING|NOTICE|INFO|DEBUG", "set debug level", 1, 1},
        {"getdebug", run_getdebug, "", "get debug level"},
        {"attach", run_attach, "<dbname> [persistent|replicated]", "attach a database", 1, 2},
        {"getpid", run_getpid, "", "get ctdbd process ID", 0, any_number},
        {"disable", run_disable, "", "disable a node"},
        {"enable", run_enable, "", "enable a node"},
        {"stop", run_stop, "", "stop a node"},
        {"continue", run_continue, "", "continue a stopped node"},
        {"ban", run_ban, "<bantime>", "ban a node", 1, 1},
        {"unban", run_unban, "", "unban a node"},
        {"shutdown", run_shutdown, "", "shutdown ctdb daemon"},
        {"listnodes", run_listnodes, "", "list nodes in the cluster", 0, 0, false},
        {"leader", run_leader, "", "show the pnn of the leader", 0, any_number},
        {"getreclock", run_getreclock, "", "get recovery lock file"},
        {"readkey", run_readkey, "<dbname|dbid> <key> [readonly]", "read value of a database key", 2, 3},
        {"writekey", run_writekey, "<dbname|dbid> <key> <value>", "write value for a database key", 3, 3},
        {"deletekey", run_deletekey, "<dbname|dbid> <key>", "delete a database key", 2, 2},
        {"reloadnodes", run_reloadnodes, "", "reload the nodes file all nodes"},
        {"nodestatus", run_nodestatus, "[all|<pnn-list>]", "show and return node status", 0, 1},
    };
}

// In which the help lists them; those that are not here come last.
constexpr const char* listed[] = {"version",
                                  "status",
                                  "uptime",
                                  "ping",
                                  "runstate",
                                  "getvar",
                                  "setvar",
                                  "listvars",
                                  "statistics",
                                  "statisticsreset",
                                  "stats",
                                  "ip",
                                  "ipinfo",
                                  "ifaces",
                                  "setifacelink",
                                  "process-exists",
                                  "getdbmap",
                                  "getdbstatus",
                                  "catdb",
                                  "cattdb",
                                  "getcapabilities",
                                  "pnn",
                                  "lvs",
                                  "setdebug",
                                  "getdebug",
                                  "attach",
                                  "detach",
                                  "dumpmemory",
                                  "rddumpmemory",
                                  "getpid",
                                  "disable",
                                  "enable",
                                  "stop",
                                  "continue",
                                  "ban",
                                  "unban",
                                  "shutdown",
                                  "recover",
                                  "sync",
                                  "ipreallocate",
                                  "gratarp",
                                  "tickle",
                                  "gettickles",
                                  "addtickle",
                                  "deltickle",
                                  "listnodes",
                                  "reloadnodes",
                                  "moveip",
                                  "addip",
                                  "delip",
                                  "backupdb",
                                  "restoredb",
                                  "dumpdbbackup",
                                  "wipedb",
                                  "leader",
                                  "event",
                                  "scriptstatus",
                                  "natgw",
                                  "getreclock",
                                  "setlmasterrole",
                                  "setleaderrole",
                                  "setdbreadonly",
                                  "setdbsticky",
                                  "pfetch",
                                  "pstore",
                                  "pdelete",
                                  "ptrans",
                                  "tfetch",
                                  "tstore",
                                  "readkey",
                                  "writekey",
                                  "deletekey",
                                  "checktcpport",
                                  "getdbseqnum",
                                  "nodestatus",
                                  "dbstatistics",
                                  "reloadips"};

size_t place_in_list(const Command& command) {
    const auto* const found =
        std::find_if(std::begin(listed), std::end(listed), [&](const char* name) { return command.name == std::string_view(name); });
    return static_cast<size_t>(found - std::begin(listed));
}

std::vector<Command> all_commands() {
    std::vector<Command> all = node_commands();
    for (const auto& more : {address_commands(), administration_commands(), statistics_commands(), event_commands(), database_commands(),
                             persistent_commands(), backup_commands()})
        all.insert(all.end(), more.begin(), more.end());
    std::stable_sort(all.begin(), all.end(), [](const Command& a, const Command& b) { return place_in_list(a) < place_in_list(b); });
    return all;
}

}  // namespace

const std::vector<Command>& commands() {
    static const std::vector<Command> all = all_commands();
    return all;
}

std::string command_line(const Command& command) {
    return fmt::format("  {:<15} {:<27}  {}\n", command.name, command.arguments, command.text);
}

}  // namespace Atoll::ctdb
