#include "ctdb/daemon/node_events.h"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/log.h"

extern char** environ;

namespace Atoll::ctdb {
namespace {

constexpr std::chrono::seconds notification_time{30};
constexpr std::chrono::milliseconds after_cancelled{500};

// Where this program is: its scripts find the tool of the same build first.
std::string own_directory() {
    std::array<char, 4096> path{};
    const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
    const std::string text(path.data(), size > 0 ? static_cast<size_t>(size) : 0);
    return text.substr(0, text.rfind('/'));
}

std::vector<std::string> environment_of(const Settings& settings) {
    std::vector<std::string> variables;
    std::string path = own_directory();
    for (char** variable = environ; *variable != nullptr; variable++) {
        const std::string text = *variable;
        if (text.starts_with("PATH=")) path += ":" + text.substr(5);
        const bool ours = text.starts_with("PATH=") || text.starts_with("CTDB_BASE=") || text.starts_with("CTDB_SOCKET=");
        if (!ours) variables.push_back(text);
    }
    variables.push_back("PATH=" + path);
    variables.push_back("CTDB_BASE=" + settings.paths.base);
    variables.push_back("CTDB_SOCKET=" + settings.paths.socket);
    variables.push_back("CTDB_STATE=" + settings.conf.state_directory);
    variables.push_back("CTDB_DATABASES=" + settings.conf.volatile_directory + " " + settings.conf.persistent_directory + " " +
                        settings.conf.state_directory);
    return variables;
}

// ctdb.conf(5): a bare name in CTDB_BASE; a directory before it is ignored.
std::string debug_script_of(const Settings& settings) {
    const std::string& script = settings.conf.debug_script;
    return script.empty() ? "" : settings.paths.base + "/" + script.substr(script.rfind('/') + 1);
}

}  // namespace

NodeEvents::NodeEvents(loop::Loop& loop, const Settings& settings, const Tunables& tunables, Fence fence,
                       std::function<void(bool)> monitored)
    : tunables_(tunables),
      monitored_(std::move(monitored)),
      runner_(loop, {settings.paths.base + "/events/legacy", debug_script_of(settings), environment_of(settings)}),
      notifications_(loop, {settings.paths.base + "/events/notification", "", environment_of(settings)}),
      next_monitor_(loop, [this] { monitor_now(); }) {
    runner_.observe([fence](pid_t group) mutable { fence.script_runs(group); });
}

void NodeEvents::run(const std::string& event, EventRunner::Arguments arguments, EventRunner::Done done) {
    runner_.run(event, std::move(arguments), std::chrono::seconds(tunables_.event_script_timeout), std::move(done));
}

void NodeEvents::run(const std::string& event, EventRunner::Arguments arguments, std::chrono::seconds limit, EventRunner::Done done) {
    runner_.run(event, std::move(arguments), limit, std::move(done));
}

void NodeEvents::run(const std::string& event) {
    run(event, {}, [](const EventOutcome&) {});
}

void NodeEvents::notify(const std::string& what) {
    notifications_.run(what, {}, notification_time, [](const EventOutcome&) {});
}

void NodeEvents::monitor() { monitor_now(); }

void NodeEvents::monitor_now() {
    run("monitor", {}, [this](const EventOutcome& outcome) { monitored(outcome); });
}

// Seldom while all is well; at the start, and while it is not, at first often.
void NodeEvents::monitored(const EventOutcome& outcome) {
    if (outcome.result == EventOutcome::Result::cancelled) return next_monitor_.set_in(after_cancelled);
    const bool late = outcome.result == EventOutcome::Result::timed_out;
    timed_out_ = late ? timed_out_ + 1 : 0;
    const bool healthy = outcome.ok() || (late && healthy_ && timed_out_ < tunables_.monitor_timeout_count);
    if (healthy != healthy_) {
        log_notice("this node is {}", healthy ? "healthy" : "unhealthy");
        notify(healthy ? "healthy" : "unhealthy");
        pause_ = std::chrono::seconds(1);
    }
    healthy_ = healthy;
    monitored_(healthy);
    const std::chrono::seconds interval(tunables_.monitor_interval);
    next_monitor_.set_in(std::min(pause_, interval));
    pause_ = std::min(2 * pause_, interval);
}

}  // namespace Atoll::ctdb
