// One run of a script: a process with a group of its own, its output kept up to a limit.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/loop/loop.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace Atoll::ctdb {

class ScriptProcess {
 public:
    // The status of waitpid(2), and what the script wrote to standard output and standard error. May destroy the ScriptProcess.
    using Done = std::function<void(int status, std::string output)>;

    // Standard input is empty. `environment`: the whole of it. Code::io: it cannot be started.
    static Result<std::unique_ptr<ScriptProcess>> start(loop::Loop& loop, const std::vector<std::string>& words,
                                                        const std::vector<std::string>& environment, Done done);
    // Kills the group of a script that has not ended.
    ~ScriptProcess();
    ScriptProcess(const ScriptProcess&) = delete;
    ScriptProcess& operator=(const ScriptProcess&) = delete;

    [[nodiscard]] pid_t pid() const { return pid_; }
    // With everything that it has started and that stayed in its group. Done comes as usual.
    void kill();

 private:
    ScriptProcess(loop::Loop& loop, pid_t pid, UniqueFd output, UniqueFd handle, Done done);
    void take_output();
    void ended();

    pid_t pid_;
    UniqueFd output_fd_;
    UniqueFd handle_;
    Done done_;
    std::string output_;
    loop::FdWatch output_watch_;
    loop::FdWatch end_watch_;
};

}  // namespace Atoll::ctdb
