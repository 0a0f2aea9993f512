// Inside of the loop, for this room's .cpp files only: epoll, the heap of timers, and what other threads post.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <mutex>
#include <vector>

#include "base/assert.h"
#include "base/loop/loop.h"
#include "base/unique_fd.h"

namespace Atoll::loop {

// What the loop is to call once, soon: handed over from any thread. Lives until it is called or the loop ends, which its owner sees to.
class Posted {
 public:
    virtual ~Posted() = default;
    virtual void run_posted() = 0;  // on the loop's thread; may destroy itself
    virtual void drop() = 0;        // instead: the loop ends

 private:
    friend struct LoopCore;
    Posted* next_ = nullptr;
};

// One watched descriptor. Epoll tells of it as long as there is more (level-triggered), so waiting again costs nothing. What is not
// wanted any more is taken out of epoll only when an event shows that it is still in.
struct FdWatchCore {
    FdWatchCore(LoopCore& on, int descriptor, FdWatch::Handler readable, FdWatch::Handler writable)
        : loop(on), fd(descriptor), read(std::move(readable)), write(std::move(writable)) {}

    [[nodiscard]] uint32_t wanted() const { return (want_read ? EPOLLIN : 0U) | (want_write ? EPOLLOUT : 0U); }
    void want();
    // Calls the reader, if it is readable, else the writer.
    void tell(uint32_t events);

    LoopCore& loop;
    const int fd;
    FdWatch::Handler read;
    FdWatch::Handler write;
    bool want_read = false;
    bool want_write = false;
    uint32_t registered = 0;  // with epoll
    bool telling = false;     // a handler runs
    bool ended = false;       // meanwhile the watch has
};

struct LoopCore {
    LoopCore();
    ~LoopCore();

    // Waits for and runs one handler; false: none came before the deadline, or the loop was woken for nothing.
    bool run_one(Monotonic deadline);

    void link(Deferred& deferred);
    void unlink(Deferred& deferred);
    void run_deferred();

    // From any thread.
    void post(Posted& posted);
    void wake();

    bool control(int operation, FdWatchCore& watch, uint32_t events) const;
    // The watch ends: what has come for it is not told any more.
    void forget(const FdWatchCore& watch);

    // Timers: a binary heap by moment.
    void set_timer(Timer& timer, Monotonic when);
    void cancel_timer(Timer& timer);
    void place(size_t position, Timer* timer);
    void sift_up(size_t position);
    void sift_down(size_t position);
    void ring(Timer& timer);

    UniqueFd epoll;
    UniqueFd waker;  // eventfd, edge-triggered: never read
    std::atomic<bool> stopped{false};
    Deferred* first_deferred = nullptr;
    Deferred* last_deferred = nullptr;

    std::vector<Timer*> timers;
    Timer* ringing = nullptr;  // whose handler runs now; null again if the handler ended it

 private:
    bool run_ready();
    bool run_timer();
    bool run_posted();
    bool wait(Monotonic deadline);

    // What one wait has brought: events, and how many timers it may ring. All are told before the next wait.
    std::array<epoll_event, 64> ready_;
    size_t ready_at_ = 0;
    size_t ready_count_ = 0;
    size_t timers_left_ = 0;
    Monotonic now_{};  // when the last wait ended

    std::mutex mutex_;  // guards what follows
    Posted* first_posted_ = nullptr;
    Posted* last_posted_ = nullptr;
    std::atomic<bool> any_posted_{false};
};

}  // namespace Atoll::loop
