#include "torture/bench/cluster/players.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

namespace Atoll::bench {
namespace {

constexpr unsigned look_again_us = 50;

}  // namespace

void give_up(const std::string& why) {
    fmt::print(stderr, "clusterbench: {}\n", why);
    std::fflush(stderr);
    ::_exit(2);
}

void Meeting::come(unsigned expected) {
    come_++;
    while (!complete(expected)) ::usleep(look_again_us);
}

void Players::add(const std::function<void()>& work) {
    const pid_t parent = ::getpid(), pid = ::fork();
    if (pid < 0) give_up("cannot fork");
    if (pid > 0) return playing_.push_back(pid);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(2);
    ::alarm(patience_s_);
    work();
    ::_exit(0);
}

void Players::reap() {
    std::erase_if(playing_, [](pid_t pid) {
        int status = 0;
        if (::waitpid(pid, &status, WNOHANG) != pid) return false;
        if (WIFSIGNALED(status)) give_up(fmt::format("a player was ended by signal {}", WTERMSIG(status)));
        if (WEXITSTATUS(status) != 0) give_up("a player has failed");
        return true;
    });
}

void Players::await(const std::function<bool()>& condition) {
    while (!condition()) {
        reap();
        ::usleep(look_again_us);
    }
}

void Players::await_end() {
    await([this] { return playing_.empty(); });
}

}  // namespace Atoll::bench
