#include "base/loop/signals.h"

#include <cerrno>
#include <csignal>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/assert.h"

namespace Atoll::loop {

Result<SignalFd> SignalFd::open(std::initializer_list<int> signals) {
    sigset_t set;
    sigemptyset(&set);
    for (int signal : signals) sigaddset(&set, signal);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    UniqueFd fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd) return fail_errno(errno, "signalfd", "cannot watch signals");
    return SignalFd(std::move(fd));
}

std::optional<int> SignalFd::read() {
    signalfd_siginfo info;
    const ssize_t n = ::read(fd_.get(), &info, sizeof info);
    if (n != static_cast<ssize_t>(sizeof info)) return std::nullopt;
    return static_cast<int>(info.ssi_signo);
}

void unblock_signals() {
    sigset_t set;
    sigemptyset(&set);
    pthread_sigmask(SIG_SETMASK, &set, nullptr);
}

namespace {

SignalFd open_or_end(std::initializer_list<int> signals) {
    auto fd = SignalFd::open(signals);
    ATOLL_ASSERT(fd.ok());
    return std::move(fd).value();
}

}  // namespace

Signals::Signals(Loop& loop, std::initializer_list<int> signals, std::function<void(int)> handler)
    : fd_(open_or_end(signals)), handler_(std::move(handler)), watch_(loop, fd_.fd(), [this] { readable(); }) {
    watch_.watch_read(true);
}

void Signals::readable() {
    if (const auto signal = fd_.read()) handler_(*signal);
}

}  // namespace Atoll::loop
