#include "smbd/fsa/command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <optional>

#include "base/unique_fd.h"
#include "smbd/fsa/limits.h"

namespace Atoll::fsa {

namespace {

using Clock = std::chrono::steady_clock;

// In the child: only what is safe after fork() in a process with threads (signal-safety(7)), and ids by raw system calls.
[[noreturn]] void become(char* const* words, int directory, int output) {
    constexpr int failed = 127;
    const uid_t uid = ::geteuid();
    const gid_t gid = ::getegid();
    sigset_t none;
    sigemptyset(&none);
    // A shell whose real and effective ids differ would fall back to the real one, which is root.
    if (::setpgid(0, 0) != 0 || ::syscall(SYS_setresgid, gid, gid, gid) != 0 || ::syscall(SYS_setresuid, uid, uid, uid) != 0)
        ::_exit(failed);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    const int nothing = ::open("/dev/null", O_RDONLY);
    if (::fchdir(directory) != 0 || nothing < 0 || ::dup2(nothing, STDIN_FILENO) < 0 || ::dup2(output, STDOUT_FILENO) < 0) ::_exit(failed);
    (void)::syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
    ::execv("/bin/sh", words);
    ::_exit(failed);
}

// What comes until the other end is closed or enough has come. False: the time is over.
bool read_output(int from, Clock::time_point end, std::string& out) {
    std::array<char, 512> piece;
    while (out.size() < limits::max_command_output) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
        pollfd waiting{from, POLLIN, 0};
        const int ready = left > 0 ? ::poll(&waiting, 1, static_cast<int>(left)) : 0;
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) return false;
        const ssize_t n = ::read(from, piece.data(), std::min(piece.size(), limits::max_command_output - out.size()));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        out.append(piece.data(), static_cast<size_t>(n));
    }
    return true;
}

// Waits for a child that has closed its output, or has given more than is read; nullopt: the time is over.
std::optional<int> wait_for(pid_t child, Clock::time_point end) {
    const UniqueFd handle(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
    int status = 0;
    while (::waitpid(child, &status, WNOHANG) == 0) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
        if (left <= 0 || !handle.valid()) return std::nullopt;
        pollfd waiting{handle.get(), POLLIN, 0};
        (void)::poll(&waiting, 1, static_cast<int>(left));
    }
    return status;
}

}  // namespace

Result<std::string, int> run_command(const std::string& command, std::span<const std::string> arguments, int directory) {
    const std::string line = command + " \"$@\"";
    std::vector<const char*> words{"sh", "-c", line.c_str(), "sh"};
    for (const std::string& one : arguments) words.push_back(one.c_str());
    words.push_back(nullptr);
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return errno;
    const UniqueFd reading(ends[0]);
    UniqueFd writing(ends[1]);
    const auto end = Clock::now() + limits::command_time;
    const pid_t child = ::fork();
    if (child < 0) return errno;
    if (child == 0) become(const_cast<char* const*>(words.data()), directory, writing.get());
    writing = UniqueFd();
    std::string output;
    const auto status = read_output(reading.get(), end, output) ? wait_for(child, end) : std::nullopt;
    if (!status) {
        ::kill(-child, SIGKILL);
        ::kill(child, SIGKILL);  // before it has a group of its own
        int ignored = 0;
        ::waitpid(child, &ignored, 0);
        return ETIMEDOUT;
    }
    if (!WIFEXITED(*status) || WEXITSTATUS(*status) != 0) return EIO;
    return output;
}

std::vector<int64_t> numbers_of_line(std::string_view output) {
    std::vector<int64_t> numbers;
    output = output.substr(0, output.find('\n'));
    while (true) {
        const size_t begin = output.find_first_not_of(" \t\r");
        if (begin == std::string_view::npos) return numbers;
        output.remove_prefix(begin);
        int64_t number = 0;
        const auto [rest, error] = std::from_chars(output.data(), output.data() + output.size(), number);
        if (error != std::errc()) return numbers;
        numbers.push_back(number);
        output.remove_prefix(static_cast<size_t>(rest - output.data()));
    }
}

}  // namespace Atoll::fsa
