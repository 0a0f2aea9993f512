#include "ctdb/tool/event_commands.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <ctime>

#include "ctdb/events/event_runner.h"
#include "ctdb/tool/output.h"

namespace Atoll::ctdb {
namespace {

using protocol::event_result;
using protocol::operation;
using protocol::script_state;

constexpr const char* event_usage =
    "Usage: ctdb-event [<options>] <command> [<args>]\n\n"
    "Help Options:\n"
    "  -h, --help                                      Show this help message\n\n"
    "Options:\n"
    "  -d, --debug=ERROR|WARNING|NOTICE|INFO|DEBUG     debug level\n\n"
    "Commands:\n"
    "  run <timeout> <component> <event> <args>     Run an event\n"
    "  status <component> <event>                   Get status of an event\n"
    "  script list <component>                      List event scripts\n"
    "  script enable <component> <script>           Enable an event script\n"
    "  script disable <component> <script>          Disable an event script\n";

// Twice, as Debian's says it.
int show_usage() {
    say(event_usage);
    say(event_usage);
    return failure;
}

int show_usage(const char* arguments, const char* text) {
    say(std::string("Usage: ctdb-event [-h] [-h|--help]\n        [-d|--debug=ERROR|WARNING|NOTICE|INFO|DEBUG] <command> [<args>]\n\n  ") +
        arguments + "     " + text + "\n");
    return failure;
}

Result<protocol::event_status, int> ask(Call& call, operation op, const std::vector<std::string>& words, uint32_t seconds = 0) {
    protocol::request request;
    request.node = call.here.pnn;
    request.op = op;
    request.seconds = seconds;
    for (const std::string& word : words) {
        if (!request.data.empty()) request.data.push_back('\n');
        request.data.insert(request.data.end(), word.begin(), word.end());
    }
    const auto reply = call.ask(request);
    if (!reply) return reply.error();
    protocol::event_status status;
    if (!decode(Bytes(reply->data), status)) return failure;
    return status;
}

std::string moment(uint64_t microseconds) {
    const auto seconds = static_cast<time_t>(microseconds / 1'000'000);
    tm parts{};
    char text[64] = {};
    ::localtime_r(&seconds, &parts);
    ::strftime(text, sizeof text, "%a %b %e %H:%M:%S %Y", &parts);
    return text;
}

std::string line_of(const protocol::script_entry& script) {
    const std::string start = fmt::format("{:<20} ", script.name);
    if (script.state == script_state::SCRIPT_DISABLED) return start + "DISABLED  \n";
    std::string line;
    if (script.state == script_state::SCRIPT_TIMED_OUT) {
        line = start + fmt::format("{:<10} {}\n", "TIMEDOUT", moment(script.started));
    } else {
        const bool ok = script.state == script_state::SCRIPT_OK;
        line =
            start + fmt::format("{:<10} {:.3f} {}\n", ok ? "OK" : "ERROR", static_cast<double>(script.took) / 1e6, moment(script.started));
        if (ok) return line;
    }
    return line + "  OUTPUT: " + std::string(script.output.begin(), script.output.end()) + "\n";
}

int status_number(const protocol::event_status& status) {
    if (status.result == event_result::EVENT_FAILED) return status.status > 0 ? status.status : failure;
    if (status.result == event_result::EVENT_TIMED_OUT) return ETIMEDOUT;
    return status.result == event_result::EVENT_OK ? 0 : ECANCELED;
}

int show_status(Call& call, const std::string& event) {
    const auto status = ask(call, operation::EVENT_STATUS, {event});
    if (!status) return status.error();
    if (status->result == event_result::EVENT_NEVER) {
        say(fmt::format("Event {} has never run in legacy\n", event));
        return EINVAL;
    }
    for (const auto& script : status->scripts) say(line_of(script));
    return status_number(*status);
}

bool known(const std::string& component) {
    if (component == "legacy") return true;
    say(fmt::format("Event dir for {} does not exist\n", component));
    return false;
}

int run_event(Call& call) {
    const auto& words = call.arguments;
    if (words.size() < 4) return show_usage("run <timeout> <component> <event> <args>", "Run an event");
    uint32_t seconds = 0;
    const auto [at, error] = std::from_chars(words[1].data(), words[1].data() + words[1].size(), seconds);
    if (error != std::errc() || at != words[1].data() + words[1].size()) {
        complain("Invalid timeout " + words[1]);
        return EINVAL;
    }
    if (!known(words[2])) return ENOENT;
    const auto status = ask(call, operation::RUN_EVENT, {words.begin() + 3, words.end()}, seconds);
    if (!status) return status.error();
    if (status->result == event_result::EVENT_TIMED_OUT) say(fmt::format("Event {} in legacy timed out\n", words[3]));
    if (status->result == event_result::EVENT_FAILED) say(fmt::format("Event {} in legacy failed\n", words[3]));
    return status_number(*status);
}

// Where the scripts that come with Atoll are: beside CTDB_BASE as in Debian's test mode, else where they are installed.
std::string provided_directory(const Call& call) {
    const std::string own = call.paths.base + "/share/events/legacy";
    return ::access(own.c_str(), F_OK) == 0 ? own : "/usr/share/ctdb/events/legacy";
}

bool same_file(const std::string& one, const std::string& other) {
    struct stat first {
    }, second{};
    return ::stat(one.c_str(), &first) == 0 && ::stat(other.c_str(), &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

// First what is provided, then what the administrator has, which may be of the same name.
int list_scripts(const Call& call) {
    const std::string here = call.paths.base + "/events/legacy/", there = provided_directory(call) + "/";
    std::vector<std::string> local = scripts_in(here);
    for (const std::string& name : scripts_in(there)) {
        const bool linked = same_file(here + name + ".script", there + name + ".script");
        say((linked && is_enabled(here + name + ".script") ? "* " : "  ") + name + "\n");
        if (linked) std::erase(local, name);
    }
    if (!local.empty()) say("\n");
    for (const std::string& name : local) say((is_enabled(here + name + ".script") ? "* " : "  ") + name + "\n");
    return 0;
}

// A provided script is a symbolic link to where it is installed; one of the administrator's own is made executable, or not.
int switch_script(const Call& call, const std::string& name, bool on) {
    const std::string script = name.ends_with(".script") ? name : name + ".script";
    const std::string path = call.paths.base + "/events/legacy/" + script;
    const std::string provided = provided_directory(call) + "/" + script;
    struct stat about {};
    const bool there = ::lstat(path.c_str(), &about) == 0;
    if (!there && !on) return 0;
    if (!there) {
        if (::access(provided.c_str(), F_OK) != 0) {
            say(fmt::format("Script {} does not exist in legacy\n", name));
            return ENOENT;
        }
        return ::symlink(provided.c_str(), path.c_str()) == 0 ? 0 : errno;
    }
    if (S_ISLNK(about.st_mode)) return on || ::unlink(path.c_str()) == 0 ? 0 : errno;
    const mode_t execute = S_IXUSR | S_IXGRP | S_IXOTH;
    const mode_t mode = on ? about.st_mode | ((about.st_mode & (S_IRUSR | S_IRGRP | S_IROTH)) >> 2) : about.st_mode & ~execute;
    return ::chmod(path.c_str(), mode & 07777) == 0 ? 0 : errno;
}

int run_script(Call& call) {
    const auto& words = call.arguments;
    const std::string what = words.size() > 1 ? words[1] : "";
    const bool list = what == "list";
    if (what != "enable" && what != "disable" && !list) return show_usage();
    if (list && words.size() != 3) return show_usage("script list <component>", "List event scripts");
    if (!list && words.size() != 4)
        return show_usage(("script " + what + " <component> <script>").c_str(),
                          what == "enable" ? "Enable an event script" : "Disable an event script");
    if (words[2] != "legacy") {
        complain("Command script " + what + " finished with result=2");
        return ENOENT;
    }
    return list ? list_scripts(call) : switch_script(call, words[3], what == "enable");
}

int run(Call& call) {
    const std::string what = call.arguments.empty() ? "" : call.arguments[0];
    if (what == "run") return run_event(call);
    if (what == "script") return run_script(call);
    if (what != "status") return show_usage();
    if (call.arguments.size() != 3) return show_usage("status <component> <event>", "Get status of an event");
    return known(call.arguments[1]) ? show_status(call, call.arguments[2]) : ENOENT;
}

// ctdb(1): deprecated, and kept.
int run_scriptstatus(Call& call) {
    show_status(call, call.arguments.empty() ? "monitor" : call.arguments[0]);
    return 0;
}

}  // namespace

std::vector<Command> event_commands() {
    return {
        {"event", run, "", "event and event script commands", 0, 64},
        {"scriptstatus", run_scriptstatus, "[init|setup|startup|monitor|takeip|releaseip|ipreallocated]", "show event script status", 0, 1},
    };
}

}  // namespace Atoll::ctdb
