#include "ctdb/events/script_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "ctdb/events/limits.h"

namespace Atoll::ctdb {
namespace {

std::vector<char*> pointers_to(const std::vector<std::string>& words) {
    std::vector<char*> pointers;
    for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
    pointers.push_back(nullptr);
    return pointers;
}

// 0, or the error. The daemon's signal mask and ignored signals are not the script's.
int spawn(const std::vector<std::string>& words, const std::vector<std::string>& environment, int output, pid_t& pid) {
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_init(&actions);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    const int error =
        ::posix_spawn(&pid, words[0].c_str(), &actions, &attributes, pointers_to(words).data(), pointers_to(environment).data());
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    return error;
}

}  // namespace

Result<std::unique_ptr<ScriptProcess>> ScriptProcess::start(loop::Loop& loop, const std::vector<std::string>& words,
                                                            const std::vector<std::string>& environment, Done done) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno(errno, words[0], "cannot make a pipe");
    UniqueFd reading(ends[0]);
    const UniqueFd writing(ends[1]);
    pid_t pid = 0;
    if (const int error = spawn(words, environment, writing.get(), pid); error != 0)
        return fail_errno(error, words[0], "cannot be started");
    UniqueFd handle(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!handle) {
        const int error = errno;
        ::kill(-pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        return fail_errno(error, words[0], "cannot be watched");
    }
    return std::unique_ptr<ScriptProcess>(new ScriptProcess(loop, pid, std::move(reading), std::move(handle), std::move(done)));
}

ScriptProcess::ScriptProcess(loop::Loop& loop, pid_t pid, UniqueFd output, UniqueFd handle, Done done)
    : pid_(pid),
      output_fd_(std::move(output)),
      handle_(std::move(handle)),
      done_(std::move(done)),
      output_watch_(loop, output_fd_.get(), [this] { take_output(); }),
      end_watch_(loop, handle_.get(), [this] { ended(); }) {
    output_watch_.watch_read(true);
    end_watch_.watch_read(true);
}

ScriptProcess::~ScriptProcess() {
    if (pid_ == 0) return;
    kill();
    ::waitpid(pid_, nullptr, 0);
}

void ScriptProcess::kill() {
    if (pid_ != 0) ::kill(-pid_, SIGKILL);
}

// What is beyond the limit is read too: the script must not wait for a reader.
void ScriptProcess::take_output() {
    std::array<char, 4096> piece;
    for (;;) {
        const ssize_t n = ::read(output_fd_.get(), piece.data(), piece.size());
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) output_watch_.watch_read(false);
        if (n <= 0) return;
        output_.append(piece.data(), std::min(static_cast<size_t>(n), limits::max_script_output - output_.size()));
    }
}

// A background process that it has left behind may keep the pipe open for ever.
void ScriptProcess::ended() {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) != pid_) return;
    pid_ = 0;
    end_watch_.watch_read(false);
    take_output();
    const Done done = std::move(done_);
    done(status, std::move(output_));
}

}  // namespace Atoll::ctdb
