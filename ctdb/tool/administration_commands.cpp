#include "ctdb/tool/administration_commands.h"

#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdlib>

#include "base/unique_fd.h"
#include "ctdb/tool/output.h"

namespace Atoll::ctdb {
namespace {

using protocol::node_flags;
using protocol::operation;
using protocol::outcome;

constexpr int invalid_value = 22;  // EINVAL

protocol::request request_of(uint32_t node, operation op, const std::string& text = "", uint32_t number = 0) {
    protocol::request request;
    request.node = node;
    request.op = op;
    request.seconds = number;
    request.data.assign(text.begin(), text.end());
    return request;
}

// Those of one name, or all. Why not is printed.
Result<protocol::tunable_list, int> tunables(Call& call, const std::string& name) {
    protocol::request request = request_of(call.node, operation::LIST_TUNABLES, name);
    auto reply = call.client->call(request, std::chrono::seconds(call.options.time_limit));
    protocol::tunable_list list;
    if (!reply) {
        complain(reply.error().message());
    } else if (reply->result == outcome::NO_RECORD) {
        say("No such tunable " + name + "\n");
    } else if (reply->result != outcome::DONE || !decode(Bytes(reply->data), list)) {
        complain(reply->text.empty() ? "ctdbd says nothing of its tunables" : reply->text);
    } else {
        return list;
    }
    return tl::unexpected(failure);
}

std::string tunable_line(const std::string& name, uint32_t value) { return fmt::format("{:<26} = {}\n", name, value); }

int run_listvars(Call& call) {
    const auto list = tunables(call, "");
    if (!list) return list.error();
    for (const auto& tunable : list->tunables) say(tunable_line(tunable.name, tunable.value));
    return 0;
}

int run_getvar(Call& call) {
    const auto list = tunables(call, call.arguments[0]);
    if (!list) return list.error();
    for (const auto& tunable : list->tunables) say(tunable_line(call.arguments[0], tunable.value));
    return 0;
}

int run_setvar(Call& call) {
    const auto list = tunables(call, call.arguments[0]);
    if (!list) return list.error();
    const std::string& text = call.arguments[1];
    uint32_t value = 0;
    const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || at != text.data() + text.size()) return invalid_value;
    const auto done = call.ask(request_of(call.node, operation::SET_TUNABLE, call.arguments[0], value));
    return done ? 0 : done.error();
}

// Ours: Debian's has none.
int run_formatlevel(Call& call) {
    const auto state = call.state_of(call.node);
    if (!state) return state.error();
    const char bar = call.options.format.separator;
    if (call.options.format.machine) {
        say(fmt::format("{0}LEVEL{0}READS{0}\n{0}{1}{0}{2}{0}\n", bar, state->level, state->newest_level));
    } else {
        say(fmt::format("LEVEL: {}\nREADS: {}\n", state->level, state->newest_level));
    }
    return 0;
}

int run_getcapabilities(Call& call) {
    const auto state = call.state_of(call.node);
    if (!state) return state.error();
    node_flags flags = node_flags::none;
    for (const auto& node : state->nodes) {
        if (node.pnn == state->pnn) flags = node.flags;
    }
    const bool leads = !any(flags & node_flags::NODE_NO_LEAD), locates = !any(flags & node_flags::NODE_NO_SLOTS);
    const char bar = call.options.format.separator;
    if (call.options.format.machine) {
        say(fmt::format("{0}LEADER{0}LMASTER{0}\n{0}{1:d}{0}{2:d}{0}\n", bar, leads, locates));
    } else {
        say(fmt::format("LEADER: {}\nLMASTER: {}\n", leads ? "YES" : "NO", locates ? "YES" : "NO"));
    }
    return 0;
}

int set_role(Call& call, const char* role) {
    const std::string& wanted = call.arguments[0];
    if (wanted != "on" && wanted != "off") return usage_status;
    const auto done = call.ask(request_of(call.node, operation::SET_ROLE, role, wanted == "on" ? 1 : 0));
    return done ? 0 : done.error();
}

int run_setlmasterrole(Call& call) { return set_role(call, "lmaster"); }
int run_setleaderrole(Call& call) { return set_role(call, "leader"); }

int run_recover(Call& call) {
    if (call.here.leader == protocol::NO_NODE) {
        complain("No leader is known");
        return failure;
    }
    const auto done = call.ask(request_of(call.here.leader, operation::RECOVER));
    return done ? 0 : done.error();
}

// A word that is no number counts as 0.
int run_process_exists(Call& call) {
    const auto pid = static_cast<uint32_t>(std::strtoul(call.arguments[0].c_str(), nullptr, 0));
    const bool mailbox = call.arguments.size() > 1;
    const auto unique_id = mailbox ? fmt::format("{:x}", std::strtoull(call.arguments[1].c_str(), nullptr, 0)) : "";
    protocol::request request = request_of(call.node, operation::CLIENT_EXISTS, unique_id, pid);
    const auto reply = call.client->call(request, std::chrono::seconds(call.options.time_limit));
    if (!reply) {
        complain(reply.error().message());
        return failure;
    }
    const bool there = reply->result == outcome::DONE;
    say(fmt::format("PID {}{} {}\n", pid, mailbox ? " with SRVID 0x" + unique_id : "", there ? "exists" : "does not exist"));
    return there ? 0 : failure;
}

// Whether something listens on the port of this machine: it cannot be bound then.
int run_checktcpport(Call& call) {
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(static_cast<uint16_t>(std::strtoul(call.arguments[0].c_str(), nullptr, 0)));
    const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (fd && ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0) return 0;
    const int error = errno;
    complain(fmt::format("Failed to bind to TCP port {}", ntohs(any.sin_port)));
    return error;
}

int run_dumpmemory(Call& call) {
    const auto reply = call.ask(request_of(call.node, operation::MEMORY));
    if (!reply) return reply.error();
    say({reply->data.begin(), reply->data.end()});
    return 0;
}

// ctdbd recovers by itself.
int run_rddumpmemory(Call& call) { return run_dumpmemory(call); }

// What stands beside this program, in the environment that event scripts have.
int run_helper(Call& call, const char* name) {
    char self[PATH_MAX];
    const ssize_t size = ::readlink("/proc/self/exe", self, sizeof self - 1);
    const std::string program(self, size > 0 ? static_cast<size_t>(size) : 0);
    const std::string directory = program.substr(0, program.rfind('/'));
    const char* path = std::getenv("PATH");
    ::setenv("PATH", (directory + (path != nullptr ? ":" + std::string(path) : "")).c_str(), 1);
    ::setenv("CTDB_BASE", call.paths.base.c_str(), 1);
    ::setenv("CTDB_SOCKET", call.paths.socket.c_str(), 1);
    const std::string helper = directory + "/" + name;
    ::execl(helper.c_str(), name, call.arguments[0].c_str(), nullptr);
    complain(helper + " cannot be run");
    return failure;
}

int run_natgw(Call& call) { return run_helper(call, "ctdb_natgw"); }
int run_lvs(Call& call) { return run_helper(call, "ctdb_lvs"); }

}  // namespace

std::vector<Command> administration_commands() {
    return {
        {"getvar", run_getvar, "<name>", "get a tunable variable", 1, 1},
        {"setvar", run_setvar, "<name> <value>", "set a tunable variable", 2, 2},
        {"listvars", run_listvars, "", "list tunable variables"},
        {"getcapabilities", run_getcapabilities, "", "show node capabilities"},
        {"formatlevel", run_formatlevel, "", "show at which format level the cluster writes, and up to which the node reads"},
        {"setlmasterrole", run_setlmasterrole, "on|off", "set LMASTER role", 1, 1},
        {"setleaderrole", run_setleaderrole, "on|off", "set LEADER role", 1, 1},
        {"recover", run_recover, "", "force recovery"},
        {"process-exists", run_process_exists, "<pid> [<srvid>]", "check if a process exists on a node", 1, 2},
        {"checktcpport", run_checktcpport, "<port>", "check if a service is bound to a specific tcp port or not", 1, 1, false},
        {"dumpmemory", run_dumpmemory, "", "dump ctdbd memory map", 0, any_number},
        {"rddumpmemory", run_rddumpmemory, "", "dump recoverd memory map", 0, any_number},
        {"natgw", run_natgw, "leader|list|status", "show natgw configuration", 1, 1},
        {"lvs", run_lvs, "leader|list|status", "show lvs configuration", 1, 1},
    };
}

}  // namespace Atoll::ctdb
