#include "ctdb/tool/output.h"

#include <fmt/core.h>

#include <cstdio>
#include <ctime>
#include <initializer_list>

namespace Atoll::ctdb {
namespace {

using protocol::node_flags;

constexpr uint32_t disconnected = 1, unhealthy = 2, disabled = 4, banned = 8, stopped = 32;
constexpr uint32_t inactive = disconnected | banned | stopped;
constexpr uint64_t second = 1'000'000;

std::string row(const Format& format, std::initializer_list<std::string> fields) {
    std::string line(1, format.separator);
    for (const std::string& field : fields) line += field + format.separator;
    return line + "\n";
}

std::string bit(bool set) { return set ? "1" : "0"; }

}  // namespace

void say(const std::string& text) { std::fputs(text.c_str(), stdout); }
void complain(const std::string& text) { std::fputs((text + "\n").c_str(), stderr); }

std::string moment_text(uint64_t microseconds) {
    const auto seconds = static_cast<time_t>(microseconds / second);
    tm parts{};
    char text[64] = {};
    ::localtime_r(&seconds, &parts);
    ::strftime(text, sizeof text, "%a %b %e %H:%M:%S %Y", &parts);
    return text;
}

std::string ago_text(uint64_t now, uint64_t then) {
    const uint64_t seconds = now > then ? now / second - then / second : 0;
    return fmt::format("({:03} {:02}:{:02}:{:02})", seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
}

// A node of which nothing is heard is not healthy either.
uint32_t status_bits(const protocol::node_entry& node) {
    if (!node.connected) return disconnected | unhealthy;
    return (any(node.flags & node_flags::NODE_UNHEALTHY) ? unhealthy : 0) | (any(node.flags & node_flags::NODE_DISABLED) ? disabled : 0) |
           (any(node.flags & node_flags::NODE_BANNED) ? banned : 0) | (any(node.flags & node_flags::NODE_STOPPED) ? stopped : 0);
}

std::string flags_text(const protocol::node_entry& node) {
    const uint32_t bits = status_bits(node);
    std::string text;
    const auto add = [&](bool set, const char* name) {
        if (set) text += (text.empty() ? "" : "|") + std::string(name);
    };
    add((bits & disconnected) != 0, "DISCONNECTED");
    add((bits & banned) != 0, "BANNED");
    add((bits & disabled) != 0, "DISABLED");
    add((bits & unhealthy) != 0, "UNHEALTHY");
    add((bits & stopped) != 0, "STOPPED");
    add((bits & inactive) != 0, "INACTIVE");
    return text.empty() ? "OK" : text;
}

std::string node_head(const Format& format) {
    return row(format, {"Node", "IP", "Disconnected", "Unknown", "Banned", "Disabled", "Unhealthy", "Stopped", "Inactive",
                        "PartiallyOnline", "ThisNode"});
}

std::string node_line(const protocol::node_state& state, const protocol::node_entry& node, const Format& format) {
    const bool here = node.pnn == state.pnn;
    if (!format.machine) return fmt::format("pnn:{} {:<16} {}{}\n", node.pnn, node.address, flags_text(node), here ? " (THIS NODE)" : "");
    const uint32_t bits = status_bits(node);
    return row(format, {std::to_string(node.pnn), node.address, bit((bits & disconnected) != 0), "0", bit((bits & banned) != 0),
                        bit((bits & disabled) != 0), bit((bits & unhealthy) != 0), bit((bits & stopped) != 0), bit((bits & inactive) != 0),
                        "0", here ? "Y" : "N"});
}

std::string nodes_count(const protocol::node_state& state) {
    const std::string deleted = state.deleted_nodes != 0 ? fmt::format(" (including {} deleted nodes)", state.deleted_nodes) : "";
    return fmt::format("Number of nodes:{}{}\n", state.nodes.size() + state.deleted_nodes, deleted);
}

std::string nodes_text(const protocol::node_state& state, const Format& format) {
    std::string text = format.machine ? node_head(format) : nodes_count(state);
    for (const auto& node : state.nodes) text += node_line(state, node, format);
    return text;
}

std::string status_text(const protocol::node_state& state, const Format& format) {
    std::string text = nodes_text(state, format);
    if (format.machine) return text;
    text += state.is_member ? fmt::format("Generation:{}\n", state.generation) : "Generation:INVALID\n";
    text += fmt::format("Size:{}\n", state.locators.size());
    for (size_t index = 0; index < state.locators.size(); index++)
        text += fmt::format("hash:{} lmaster:{}\n", index, state.locators[index]);
    text += state.recovering ? "Recovery mode:RECOVERY (1)\n" : "Recovery mode:NORMAL (0)\n";
    return text + "Leader:" + leader_text(state) + "\n";
}

std::string leader_text(const protocol::node_state& state) {
    return state.leader == protocol::NO_NODE ? "UNKNOWN" : std::to_string(state.leader);
}

std::string uptime_text(const protocol::node_state& state) {
    const double lasted = state.recovering ? -(static_cast<double>(state.now - state.recovery_started) / 1e6)
                                           : static_cast<double>(state.recovery_finished - state.recovery_started) / 1e6;
    const uint64_t when = state.recovering ? state.recovery_started : state.recovery_finished;
    return fmt::format("Current time of node {:<9}:                {}\n", state.pnn, moment_text(state.now)) +
           fmt::format("Ctdbd start time              : {} {}\n", ago_text(state.now, state.started), moment_text(state.started)) +
           fmt::format("Time of last recovery/failover: {} {}\n", ago_text(state.now, when), moment_text(when)) +
           fmt::format("Duration of last recovery/failover: {:.6f} seconds\n", lasted);
}

std::string databases_text(const protocol::node_state& state, const Format& format) {
    std::string text = fmt::format("Number of databases:{}\n", state.databases.size());
    if (format.machine) text = row(format, {"ID", "Name", "Path", "Persistent", "Sticky", "Unhealthy", "Readonly", "Replicated"});
    for (const auto& database : state.databases) {
        if (format.machine) {
            text += row(format, {fmt::format("0x{:08X}", database.id), database.name, database.path, database.persistent ? "1" : "0",
                                 database.sticky ? "1" : "0", "0", database.readonly ? "1" : "0", database.replicated ? "1" : "0"});
        } else {
            text += fmt::format("dbid:0x{:08x} name:{} path:{}{}{}{}{}\n", database.id, database.name, database.path,
                                database.persistent ? " PERSISTENT" : "", database.sticky ? " STICKY" : "",
                                database.readonly ? " READONLY" : "", database.replicated ? " REPLICATED" : "");
        }
    }
    return text;
}

// A node that cannot use its file does not run.
std::string database_text(const protocol::database_entry& database) {
    const auto yes = [](bool is) { return is ? "yes" : "no"; };
    return fmt::format("dbid: 0x{:08x}\nname: {}\npath: {}\nPERSISTENT: {}\nREPLICATED: {}\nSTICKY: {}\nREADONLY: {}\nHEALTH: OK\n",
                       database.id, database.name, database.path, yes(database.persistent), yes(database.replicated), yes(database.sticky),
                       yes(database.readonly));
}

const char* run_state_text(protocol::run_state runs) {
    switch (runs) {
        case protocol::run_state::INIT: return "INIT";
        case protocol::run_state::SETUP: return "SETUP";
        case protocol::run_state::FIRST_RECOVERY: return "FIRST_RECOVERY";
        case protocol::run_state::STARTUP: return "STARTUP";
        case protocol::run_state::RUNNING: return "RUNNING";
        case protocol::run_state::SHUTTING_DOWN: return "SHUTDOWN";
    }
    return "UNKNOWN";
}

}  // namespace Atoll::ctdb
