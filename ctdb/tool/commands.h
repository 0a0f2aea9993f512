// The commands of the ctdb tool.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "conf/ctdb_conf.h"
#include "ctdb/client/client.h"
#include "ctdb/tool/options.h"

namespace Atoll::ctdb {

// What a command works with.
struct Call {
    const ToolOptions& options;
    conf::CtdbPaths paths;
    std::vector<std::string> arguments;        // without the command
    std::unique_ptr<DaemonConnection> client;  // nullptr for commands without a daemon
    protocol::node_state here;                 // of the node whose daemon this is
    uint32_t node = 0;                         // that the command is about

    // Prints why not, and gives the exit status.
    Result<protocol::reply, int> ask(protocol::operation op, uint32_t seconds = 0);
    Result<protocol::reply, int> ask(protocol::request request);
    Result<protocol::node_state, int> state_of(uint32_t pnn);
    // By its name or id; nullptr: there is none, which is printed.
    [[nodiscard]] const protocol::database_entry* database_named(const std::string& name) const;
};

struct Command {
    const char* name;
    int (*run)(Call& call);  // gives the exit status
    const char* arguments;   // as the usage shows them
    const char* text;
    size_t least = 0;  // of arguments
    size_t most = 0;
    bool needs_daemon = true;
};

const std::vector<Command>& commands();
std::string command_line(const Command& command);  // of the usage

constexpr size_t any_number = SIZE_MAX;  // of arguments, which are not looked at
constexpr int usage_status = -1;         // from Command::run: the arguments are not those of the command
constexpr int failure = 1;

}  // namespace Atoll::ctdb
