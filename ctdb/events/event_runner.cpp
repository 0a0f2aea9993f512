#include "ctdb/events/event_runner.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "ctdb/events/limits.h"

namespace Atoll::ctdb {
namespace {

constexpr std::string_view ending = ".script";
constexpr const char* monitor = "monitor";

uint64_t microseconds_since_1970() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

void log_lines(const std::string& script, const std::string& output) {
    for (size_t at = 0; at < output.size();) {
        const size_t end = std::min(output.find('\n', at), output.size());
        if (end > at) log_notice("{}: {}", script, output.substr(at, end - at));
        at = end + 1;
    }
}

}  // namespace

std::vector<std::string> scripts_in(const std::string& directory) {
    std::vector<std::string> names;
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(directory.c_str()), ::closedir);
    while (const dirent* entry = entries ? ::readdir(entries.get()) : nullptr) {
        const std::string_view name = entry->d_name;
        if (name[0] == '.' || name.size() <= ending.size() || !name.ends_with(ending)) continue;
        if (names.size() < limits::max_event_scripts) names.emplace_back(name.substr(0, name.size() - ending.size()));
    }
    std::sort(names.begin(), names.end());
    return names;
}

// For the file's owner, as administrators switch it with chmod: root may run everything.
bool is_enabled(const std::string& script_path) {
    struct stat about {};
    return ::stat(script_path.c_str(), &about) == 0 && S_ISREG(about.st_mode) && (about.st_mode & S_IXUSR) != 0;
}

EventRunner::EventRunner(loop::Loop& loop, EventSettings settings)
    : loop_(loop), settings_(std::move(settings)), limit_(loop, [this] { time_over(); }), debug_limit_(loop, [this] { debug_ended(); }) {}

void EventRunner::run(std::string event, Arguments arguments, std::chrono::seconds limit, Done done) {
    if (queue_.size() >= limits::max_queued_events) {
        log_error("event {} is not run: too many wait", event);
        EventOutcome refused;
        refused.result = EventOutcome::Result::cancelled;
        return done(refused);
    }
    Running running;
    running.event = std::move(event);
    running.arguments = std::move(arguments);
    running.limit = limit;
    running.done = std::move(done);
    const bool urgent = running.event != monitor;
    queue_.push_back(std::move(running));
    if (urgent && current_ && current_->event == monitor && !current_->hung) {
        finish(EventOutcome::Result::cancelled);
    } else {
        start_next();
    }
}

const EventOutcome* EventRunner::last(const std::string& event) const {
    const auto found = last_.find(event);
    return found != last_.end() ? &found->second : nullptr;
}

// Events without scripts to run end at once, and what they lead to may ask for more events: no call inside another.
void EventRunner::start_next() {
    if (starting_) return;
    starting_ = true;
    while (!current_ && !queue_.empty()) {
        current_ = std::move(queue_.front());
        queue_.pop_front();
        for (std::string& name : scripts_in(settings_.directory)) current_->left.push_back(std::move(name));
        if (current_->limit.count() > 0) limit_.set_in(current_->limit);
        run_script();
    }
    starting_ = false;
}

void EventRunner::run_script() {
    while (current_ && !process_) {
        if (current_->left.empty()) return finish(EventOutcome::Result::ok);
        ScriptOutcome script;
        script.name = std::move(current_->left.front());
        current_->left.pop_front();
        const std::string path = settings_.directory + "/" + script.name + std::string(ending);
        if (!is_enabled(path)) {
            script.state = ScriptState::disabled;
            current_->outcome.scripts.push_back(std::move(script));
            continue;
        }
        script.started = microseconds_since_1970();
        current_->outcome.scripts.push_back(std::move(script));
        current_->script_began = monotonic_now();
        std::vector<std::string> words{path, current_->event};
        words.insert(words.end(), current_->arguments.begin(), current_->arguments.end());
        auto started = ScriptProcess::start(loop_, words, settings_.environment,
                                            [this](int status, std::string output) { script_ended(status, std::move(output)); });
        if (!started) return script_ended(126 << 8, started.error().message());
        process_ = std::move(*started);
        if (observer_) observer_(process_->pid());
    }
}

void EventRunner::script_ended(int status, std::string output) {
    const auto ended = std::move(process_);
    if (observer_) observer_(0);
    ScriptOutcome& script = current_->outcome.scripts.back();
    script.took =
        static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(monotonic_now() - current_->script_began).count());
    script.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    script.output = std::move(output);
    log_lines(script.name, script.output);
    if (current_->hung) {
        script.state = ScriptState::timed_out;
        return finish(EventOutcome::Result::timed_out);
    }
    if (script.status != 0) {
        script.state = ScriptState::error;
        current_->outcome.status = script.status;
        return finish(EventOutcome::Result::failed);
    }
    run_script();
    start_next();
}

void EventRunner::time_over() {
    if (!current_ || !process_) return;
    log_error("event {}: the time of {} is over", current_->event, current_->outcome.scripts.back().name);
    current_->hung = true;
    if (settings_.debug_script.empty() || !is_enabled(settings_.debug_script)) return process_->kill();
    const std::vector<std::string> words{settings_.debug_script, std::to_string(process_->pid()), current_->event};
    auto started = ScriptProcess::start(loop_, words, settings_.environment, [this](int, const std::string& output) {
        log_lines("debug script", output);
        debug_ended();
    });
    if (!started) {
        log_error("{}", started.error().message());
        return process_->kill();
    }
    debug_ = std::move(*started);
    debug_limit_.set_in(limits::debug_script_time);
}

void EventRunner::debug_ended() {
    const auto ended = std::move(debug_);
    debug_limit_.cancel();
    if (current_ && current_->hung && process_) process_->kill();
}

void EventRunner::finish(EventOutcome::Result result) {
    limit_.cancel();
    if (process_ && observer_) observer_(0);
    const auto cancelled = std::move(process_);
    Running done = std::move(*current_);
    current_.reset();
    done.outcome.result = result;
    if (result == EventOutcome::Result::failed || result == EventOutcome::Result::timed_out)
        log_error("event {} {}", done.event, result == EventOutcome::Result::failed ? "failed" : "timed out");
    if (result != EventOutcome::Result::cancelled) last_[done.event] = done.outcome;
    done.done(done.outcome);
    start_next();
}

}  // namespace Atoll::ctdb
