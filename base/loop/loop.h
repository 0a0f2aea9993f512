// The event loop: readiness of descriptors, timers, and what to do before it waits.
//
// One Loop a process, used by the thread that runs it; only post(), stop() and WorkerPool's completions may come from other threads.
// The loop tells readiness only: bytes move by the caller's own recvmsg and sendmsg. Once a watch or timer is made, waiting on it again
// and being called allocate nothing.
//
// A Loop does not survive fork: the child makes its own. A process that forks servers (the listener) has none.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "base/time.h"

namespace Atoll::loop {

class Loop;
struct LoopCore;
struct FdWatchCore;

// Something to do once, after the handler that is running now has returned and before the loop waits: a connection that flushes, with one
// sendmsg, all answers that became ready. Ending its life takes it out of the queue.
class Deferred {
 public:
    Deferred() = default;
    Deferred(const Deferred&) = delete;
    Deferred& operator=(const Deferred&) = delete;
    virtual ~Deferred();

    // May defer itself again: it is then called in the next round, still before the loop waits.
    virtual void run_deferred() = 0;
    [[nodiscard]] bool is_deferred() const { return core_ != nullptr; }

 private:
    friend class Loop;
    friend struct LoopCore;
    LoopCore* core_ = nullptr;
    Deferred* next_ = nullptr;
    Deferred* previous_ = nullptr;
};

class Loop {
 public:
    Loop();
    ~Loop();  // every watch, timer and pool made on it must be gone
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    // Runs until stop(). After a stop it may be run again.
    void run();
    // Runs until stop() or `deadline`; true if it was stopped. For tests and for the blocking form of asynchronous calls.
    bool run_until(Monotonic deadline);
    // Waits for and runs one handler; false if none came before `deadline`.
    bool run_once(Monotonic deadline);
    // Ends run() after the current handler. From any thread.
    void stop();

    // Calls `task` on the loop's thread, soon. From any thread. Allocates: not for the hot path.
    void post(std::function<void()> task);
    // See Deferred. Deferring what is deferred already does nothing. Loop thread only.
    void defer(Deferred& deferred);

    // Loops that live in this process: a process that forks servers asserts that there is none.
    static unsigned count();

    LoopCore& core() { return *core_; }

 private:
    std::unique_ptr<LoopCore> core_;
};

// Watches one descriptor, which it does not own: the watch must end before the descriptor is closed. It makes the descriptor
// non-blocking. Made, used and destroyed on the loop's thread; may be destroyed inside its own handlers.
class FdWatch {
 public:
    using Handler = std::function<void()>;

    // Nothing is watched until asked for. End of file and errors of the descriptor count as readable and writable.
    // The descriptor must be one that epoll knows (a socket, pipe, eventfd...): asserted.
    FdWatch(Loop& loop, int fd, Handler readable, Handler writable = {});
    ~FdWatch();
    FdWatch(const FdWatch&) = delete;
    FdWatch& operator=(const FdWatch&) = delete;

    // While on, the handler is called whenever the descriptor is readable: again after it returns, if there is more.
    void watch_read(bool on);
    void watch_write(bool on);

 private:
    FdWatchCore* core_;
};

// One moment in the future. Set, cancelled and destroyed on the loop's thread; all three may be done inside its own handler.
// Moving it to a later moment costs no system call.
class Timer {
 public:
    using Handler = std::function<void()>;

    Timer(Loop& loop, Handler handler);
    ~Timer();
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    void set_at(Monotonic when);  // replaces an earlier moment
    void set_in(std::chrono::nanoseconds delay) { set_at(monotonic_now() + delay); }
    void cancel();
    [[nodiscard]] bool is_set() const { return position_ != not_set; }

 private:
    friend struct LoopCore;
    static constexpr size_t not_set = static_cast<size_t>(-1);

    LoopCore& core_;
    Handler handler_;
    Monotonic when_{};
    size_t position_ = not_set;  // in the loop's heap of timers
};

}  // namespace Atoll::loop
