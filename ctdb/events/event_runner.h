// Runs the scripts of events, as administrators of ctdb know them: in a directory NN.NAME.script, in the order of their names; the first
// argument is the event, the rest what it is about. A script that is not executable is disabled. The first that fails ends the event.
//
// Events run one at a time, in the order in which they were asked for; `monitor` only while nothing else wants to: it is cancelled then.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/loop/loop.h"
#include "ctdb/events/script_process.h"

namespace Atoll::ctdb {

enum class ScriptState : uint8_t { ok, error, timed_out, disabled };

struct ScriptOutcome {
    std::string name;  // without ".script"
    ScriptState state = ScriptState::ok;
    int status = 0;        // exit status, or minus a signal's number
    uint64_t started = 0;  // microseconds since 1970
    uint64_t took = 0;     // microseconds
    std::string output;
};

struct EventOutcome {
    enum class Result : uint8_t { ok, failed, timed_out, cancelled };
    Result result = Result::ok;
    int status = 0;  // of the script that failed
    std::vector<ScriptOutcome> scripts;
    [[nodiscard]] bool ok() const { return result == Result::ok; }
};

struct EventSettings {
    std::string directory;
    std::string debug_script;  // is told the PID of a script whose time is over and the event, before it is killed; empty: none
    std::vector<std::string> environment;
};

class EventRunner {
 public:
    using Done = std::function<void(const EventOutcome&)>;
    using Arguments = std::vector<std::string>;

    EventRunner(loop::Loop& loop, EventSettings settings);

    // `done` may come at once when there are no scripts. `limit` is for all scripts together; 0: none.
    void run(std::string event, Arguments arguments, std::chrono::seconds limit, Done done);
    // The last run of the event that was not cancelled; nullptr: never.
    [[nodiscard]] const EventOutcome* last(const std::string& event) const;
    // Is told the process group of each script that starts, and 0 when it has ended.
    void observe(std::function<void(pid_t group)> observer) { observer_ = std::move(observer); }
    [[nodiscard]] bool idle() const { return !current_ && queue_.empty(); }

 private:
    struct Running {
        std::string event;
        Arguments arguments;
        std::chrono::seconds limit{0};
        Done done;
        EventOutcome outcome;
        std::deque<std::string> left;  // scripts
        Monotonic script_began{};
        bool hung = false;
    };

    void start_next();
    void run_script();
    void script_ended(int status, std::string output);
    void time_over();
    void debug_ended();
    void finish(EventOutcome::Result result);

    loop::Loop& loop_;
    const EventSettings settings_;
    std::function<void(pid_t)> observer_;
    std::deque<Running> queue_;
    std::optional<Running> current_;
    std::map<std::string, EventOutcome> last_;
    std::unique_ptr<ScriptProcess> process_;
    std::unique_ptr<ScriptProcess> debug_;
    loop::Timer limit_;
    loop::Timer debug_limit_;
    bool starting_ = false;
};

// The scripts of a directory, by name: with ".script" at the end and without a dot at the start. None if there is no such directory.
std::vector<std::string> scripts_in(const std::string& directory);
bool is_enabled(const std::string& script_path);

}  // namespace Atoll::ctdb
