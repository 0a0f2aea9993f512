// ctdb(1): see docs/cluster.md, "The tool".
#include <fmt/core.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>

#include "ctdb/tool/commands.h"
#include "ctdb/tool/output.h"

namespace Atoll::ctdb {
namespace {

int show_commands() {
    say(std::string(help_text()) + "\nCommands:\n");
    for (const Command& command : commands()) say(command_line(command));
    return failure;
}

int show_usage(const Command& command) {
    say(std::string(usage_text()) + "\nCommands:\n" + command_line(command));
    return failure;
}

void run_out(int) {
    constexpr char text[] = "Maximum runtime exceeded - exiting\n";
    (void)!::write(STDERR_FILENO, text, sizeof text - 1);
    ::_exit(failure);
}

bool connect(Call& call) {
    auto client = DaemonConnection::connect(call.paths.socket);
    if (!client) {
        const int reason = ::access(call.paths.socket.c_str(), F_OK) == 0 ? ECONNREFUSED : ENOENT;
        complain(fmt::format("connect() failed, errno={}", reason));
        complain("Failed to connect to CTDB daemon (" + call.paths.socket + ")");
        return false;
    }
    call.client = std::make_unique<DaemonConnection>(std::move(*client));
    protocol::request request;
    request.node = protocol::NO_NODE;
    request.op = protocol::operation::STATE;
    const auto reply = call.ask(request);
    if (!reply || !reply->state) return false;
    call.here = *reply->state;
    call.node = call.options.node.value_or(call.here.pnn);
    return true;
}

// The node of -n is there and connected.
bool can_ask(const Call& call) {
    if (!call.options.node) return true;
    for (const auto& node : call.here.nodes) {
        if (node.pnn != call.node) continue;
        if (node.connected) return true;
        complain(fmt::format("Node {} has status {}", call.node, flags_text(node)));
        return false;
    }
    complain(fmt::format("Node {} does not exist", call.node));
    return false;
}

int run(const ToolOptions& options) {
    if (options.help || options.usage) {
        say(options.help ? help_text() : usage_text());
        return 0;
    }
    if (options.words.empty()) return show_commands();
    for (const Command& command : commands()) {
        if (options.words[0] != command.name) continue;
        Call call{options, conf::ctdb_paths(), {options.words.begin() + 1, options.words.end()}, nullptr, {}, 0};
        if (!command.needs_daemon && options.node) {
            complain(std::string("Cannot specify node for command ") + command.name);
            return failure;
        }
        if (command.needs_daemon && (!connect(call) || !can_ask(call))) return failure;
        if (call.arguments.size() < command.least || call.arguments.size() > command.most) return show_usage(command);
        const int status = command.run(call);
        return status == usage_status ? show_usage(command) : status;
    }
    complain("Unknown command '" + options.words[0] + "'");
    return failure;
}

}  // namespace
}  // namespace Atoll::ctdb

int main(int count, char** arguments) {
    using namespace Atoll;
    const auto options = ctdb::parse_options({arguments + 1, arguments + count});
    if (!options) {
        ctdb::complain(options.error().text);
        return ctdb::failure;
    }
    ::signal(SIGALRM, ctdb::run_out);
    ::alarm(options->max_runtime);
    return ctdb::run(*options);
}
