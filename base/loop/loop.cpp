#include "base/loop/loop.h"

#include <fcntl.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/loop/core.h"

namespace Atoll::loop {

Deferred::~Deferred() {
    if (core_ != nullptr) core_->unlink(*this);
}

void LoopCore::link(Deferred& deferred) {
    deferred.core_ = this;
    deferred.next_ = nullptr;
    deferred.previous_ = last_deferred;
    (last_deferred != nullptr ? last_deferred->next_ : first_deferred) = &deferred;
    last_deferred = &deferred;
}

void LoopCore::unlink(Deferred& deferred) {
    (deferred.previous_ != nullptr ? deferred.previous_->next_ : first_deferred) = deferred.next_;
    (deferred.next_ != nullptr ? deferred.next_->previous_ : last_deferred) = deferred.previous_;
    deferred.core_ = nullptr;
}

void LoopCore::run_deferred() {
    while (first_deferred != nullptr) {
        Deferred& deferred = *first_deferred;
        unlink(deferred);
        deferred.run_deferred();
    }
}

// --- The core

LoopCore::LoopCore() : epoll(::epoll_create1(EPOLL_CLOEXEC)), waker(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    ATOLL_ASSERT(epoll && waker);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    event.data.ptr = nullptr;
    ATOLL_ASSERT(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, waker.get(), &event) == 0);
}

LoopCore::~LoopCore() {
    while (Posted* posted = first_posted_) {
        first_posted_ = posted->next_;
        posted->drop();
    }
}

bool LoopCore::run_one(Monotonic deadline) {
    do {
        if (run_ready() || run_timer() || run_posted()) return true;
        if (stopped.load(std::memory_order_relaxed)) return false;
    } while (wait(deadline));
    return false;
}

// Gathers what is to be told now. False: nothing before the deadline.
bool LoopCore::wait(Monotonic deadline) {
    Monotonic until = deadline;
    if (!timers.empty()) until = std::min(until, timers.front()->when_);
    if (any_posted_.load(std::memory_order_acquire)) until = Monotonic{};
    timespec patience{};
    const timespec* timeout = nullptr;
    if (until != Monotonic::max()) {
        const auto left = std::max(std::chrono::nanoseconds(0), std::chrono::nanoseconds(until - monotonic_now()));
        patience.tv_sec = static_cast<time_t>(left.count() / 1'000'000'000);
        patience.tv_nsec = static_cast<long>(left.count() % 1'000'000'000);
        timeout = &patience;
    }
    const int count = ::epoll_pwait2(epoll.get(), ready_.data(), static_cast<int>(ready_.size()), timeout, nullptr);
    ATOLL_ASSERT(count >= 0 || errno == EINTR);
    ready_at_ = 0;
    ready_count_ = count > 0 ? static_cast<size_t>(count) : 0;
    // Timers that handlers set anew for a moment already past wait for the next round, so that the loop gets to its descriptors.
    timers_left_ = timers.size();
    if (timers_left_ > 0 || deadline != Monotonic::max()) now_ = monotonic_now();
    if (ready_count_ > 0 || any_posted_.load(std::memory_order_acquire)) return true;
    if (timers_left_ > 0 && timers.front()->when_ <= now_) return true;
    return deadline == Monotonic::max() || now_ < deadline;
}

bool LoopCore::run_ready() {
    while (ready_at_ < ready_count_) {
        epoll_event& event = ready_[ready_at_];
        auto* watch = static_cast<FdWatchCore*>(event.data.ptr);
        uint32_t events = event.events;
        if (watch != nullptr) {
            if ((events & (EPOLLHUP | EPOLLERR)) != 0) events |= EPOLLIN | EPOLLOUT;
            events &= watch->wanted();
            if (events == 0) watch->want();  // it should not be in epoll any more
        }
        if (watch == nullptr || events == 0) {
            ready_at_++;
            continue;
        }
        // Both directions: the second handler is called the next time.
        event.events = (events & EPOLLIN) != 0 ? events & ~uint32_t{EPOLLIN} : 0;
        if (event.events == 0) ready_at_++;
        watch->tell(events);
        return true;
    }
    return false;
}

bool LoopCore::run_timer() {
    if (timers_left_ == 0 || timers.empty() || timers.front()->when_ > now_) return false;
    timers_left_--;
    ring(*timers.front());
    return true;
}

bool LoopCore::run_posted() {
    if (!any_posted_.load(std::memory_order_acquire)) return false;
    Posted* posted = nullptr;
    {
        const std::lock_guard lock(mutex_);
        posted = first_posted_;
        first_posted_ = posted->next_;
        if (first_posted_ == nullptr) {
            last_posted_ = nullptr;
            any_posted_.store(false, std::memory_order_release);
        }
    }
    posted->run_posted();
    return true;
}

void LoopCore::post(Posted& posted) {
    bool first = false;
    {
        const std::lock_guard lock(mutex_);
        posted.next_ = nullptr;
        first = first_posted_ == nullptr;
        (first ? first_posted_ : last_posted_->next_) = &posted;
        last_posted_ = &posted;
        any_posted_.store(true, std::memory_order_release);
    }
    if (first) wake();
}

void LoopCore::wake() { ATOLL_ASSERT(::eventfd_write(waker.get(), 1) == 0); }

bool LoopCore::control(int operation, FdWatchCore& watch, uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &watch;
    watch.registered = events;
    return ::epoll_ctl(epoll.get(), operation, watch.fd, &event) == 0;
}

void LoopCore::forget(const FdWatchCore& watch) {
    for (size_t i = ready_at_; i < ready_count_; i++) {
        if (ready_[i].data.ptr == &watch) ready_[i].data.ptr = nullptr;
    }
}

// --- Loop

namespace {

std::atomic<unsigned> live_loops{0};

struct PostedTask final : Posted {
    explicit PostedTask(std::function<void()> what) : task(std::move(what)) {}
    void run_posted() override {
        const std::unique_ptr<PostedTask> self(this);
        task();
    }
    void drop() override { delete this; }
    std::function<void()> task;
};

}  // namespace

unsigned Loop::count() { return live_loops; }

Loop::Loop() : core_(std::make_unique<LoopCore>()) { ++live_loops; }

Loop::~Loop() {
    --live_loops;
    ATOLL_ASSERT(core_->timers.empty());
    ATOLL_ASSERT(core_->first_deferred == nullptr);
}

void Loop::run() {
    LoopCore& core = *core_;
    core.run_deferred();
    while (!core.stopped.exchange(false, std::memory_order_relaxed)) {
        core.run_one(Monotonic::max());
        core.run_deferred();
    }
}

bool Loop::run_until(Monotonic deadline) {
    while (!core_->stopped.exchange(false, std::memory_order_relaxed)) {
        if (!run_once(deadline) && !core_->stopped.load(std::memory_order_relaxed)) return false;
    }
    return true;
}

bool Loop::run_once(Monotonic deadline) {
    core_->run_deferred();
    const bool ran = core_->run_one(deadline);
    core_->run_deferred();
    return ran;
}

void Loop::stop() {
    core_->stopped.store(true, std::memory_order_relaxed);
    core_->wake();
}

void Loop::post(std::function<void()> task) { core_->post(*new PostedTask(std::move(task))); }

void Loop::defer(Deferred& deferred) {
    if (!deferred.is_deferred()) core_->link(deferred);
}

// --- Watches

// Puts what is wanted into epoll, and takes what is not out of it.
void FdWatchCore::want() {
    const uint32_t events = wanted();
    if (events == registered) return;
    ATOLL_ASSERT(loop.control(registered == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD, *this, events));
}

void FdWatchCore::tell(uint32_t events) {
    telling = true;
    ((events & EPOLLIN) != 0 ? read : write)();
    telling = false;
    if (ended) delete this;
}

FdWatch::FdWatch(Loop& loop, int fd, Handler readable, Handler writable)
    : core_(new FdWatchCore(loop.core(), fd, std::move(readable), std::move(writable))) {
    const int flags = ::fcntl(fd, F_GETFL);
    ATOLL_ASSERT(flags >= 0);
    if ((flags & O_NONBLOCK) == 0) ATOLL_ASSERT(::fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
}

FdWatch::~FdWatch() {
    core_->loop.forget(*core_);
    if (core_->registered != 0) (void)core_->loop.control(EPOLL_CTL_DEL, *core_, 0);
    if (core_->telling) {
        core_->ended = true;  // the handler, which may be running still, goes with the core
    } else {
        delete core_;
    }
}

void FdWatch::watch_read(bool on) {
    ATOLL_ASSERT(!on || core_->read);
    core_->want_read = on;
    if (on && (core_->registered & EPOLLIN) == 0) core_->want();
}

void FdWatch::watch_write(bool on) {
    ATOLL_ASSERT(!on || core_->write);
    core_->want_write = on;
    if (on && (core_->registered & EPOLLOUT) == 0) core_->want();
}

}  // namespace Atoll::loop
