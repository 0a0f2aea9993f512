// Signals as events. The signals are blocked in the thread that opens a SignalFd (and so in the threads that it starts) and read from a
// signalfd. A child made by fork inherits the block: it opens its own SignalFd, or calls unblock_signals.
#pragma once

#include <sys/types.h>

#include <functional>
#include <initializer_list>
#include <optional>

#include "base/result.h"
#include "base/unique_fd.h"
#include "base/loop/loop.h"

namespace Atoll::loop {

// For a process without a Loop: poll fd(), then read() until it is empty.
class SignalFd {
 public:
    static Result<SignalFd> open(std::initializer_list<int> signals);

    [[nodiscard]] int fd() const { return fd_.get(); }
    // The next signal's number, or nullopt when none is pending. Never blocks.
    [[nodiscard]] std::optional<int> read();
    void close() { fd_.reset(); }

 private:
    explicit SignalFd(UniqueFd fd) : fd_(std::move(fd)) {}
    UniqueFd fd_;
};

// Gives the thread an empty signal mask, as a child of a process that watches signals needs it.
void unblock_signals();

// For a process with a Loop.
class Signals {
 public:
    // Asserts that the signals can be watched.
    Signals(Loop& loop, std::initializer_list<int> signals, std::function<void(int signal)> handler);

 private:
    void readable();

    SignalFd fd_;
    std::function<void(int)> handler_;
    FdWatch watch_;
};

}  // namespace Atoll::loop
