#include "base/loop/loop.h"

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

namespace {

std::atomic<unsigned> live_loops{0};

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
        core.context.run_one();
        core.run_deferred();
    }
}

bool Loop::run_until(Monotonic deadline) {
    while (!core_->stopped.exchange(false, std::memory_order_relaxed)) {
        if (!run_once(deadline)) return false;
    }
    return true;
}

bool Loop::run_once(Monotonic deadline) {
    core_->run_deferred();
    const bool ran = core_->context.run_one_until(deadline) > 0;
    core_->run_deferred();
    return ran;
}

void Loop::stop() {
    core_->stopped.store(true, std::memory_order_relaxed);
    asio::post(core_->context, [] {});  // wakes the loop if it waits
}

void Loop::post(std::function<void()> task) { asio::post(core_->context, std::move(task)); }

void Loop::defer(Deferred& deferred) {
    if (!deferred.is_deferred()) core_->link(deferred);
}

// The watch's state outlives it while Asio holds a wait of it: each wait in Asio's hands has one reference.
struct FdWatchCore {
    using Descriptor = asio::posix::basic_stream_descriptor<asio::io_context::executor_type>;

    struct Direction {
        FdWatch::Handler handler;
        Descriptor::wait_type type;
        HandlerMemory memory;
        bool wanted = false;
        bool waiting = false;  // Asio holds a wait
    };

    FdWatchCore(LoopCore& loop, int fd, FdWatch::Handler readable, FdWatch::Handler writable)
        : descriptor(loop.context, fd),
          read{std::move(readable), Descriptor::wait_read, {}, false, false},
          write{std::move(writable), Descriptor::wait_write, {}, false, false} {
        descriptor.non_blocking(true);
    }

    void release() {
        if (--references == 0) delete this;
    }
    void wait(Direction& direction);
    void ready(Direction& direction, const boost::system::error_code& error);

    Descriptor descriptor;
    Direction read;
    Direction write;
    unsigned references = 1;
};

namespace {

struct WaitHandler {
    using allocator_type = HandlerAllocator<void>;

    WaitHandler(FdWatchCore& watch_core, FdWatchCore::Direction& wait_direction) : core(&watch_core), direction(&wait_direction) {
        ++core->references;
    }
    WaitHandler(WaitHandler&& other) noexcept : core(std::exchange(other.core, nullptr)), direction(other.direction) {}
    WaitHandler(const WaitHandler&) = delete;
    WaitHandler& operator=(const WaitHandler&) = delete;
    WaitHandler& operator=(WaitHandler&&) = delete;
    ~WaitHandler() {
        if (core != nullptr) core->release();
    }

    [[nodiscard]] allocator_type get_allocator() const noexcept { return allocator_type(direction->memory); }
    void operator()(const boost::system::error_code& error) { core->ready(*direction, error); }

    FdWatchCore* core;
    FdWatchCore::Direction* direction;
};

}  // namespace

void FdWatchCore::wait(Direction& direction) {
    if (!direction.wanted || direction.waiting) return;
    direction.waiting = true;
    descriptor.async_wait(direction.type, WaitHandler(*this, direction));
}

void FdWatchCore::ready(Direction& direction, const boost::system::error_code& error) {
    direction.waiting = false;
    if (!descriptor.is_open()) return;  // the watch has ended
    ATOLL_ASSERT(!error);
    if (!direction.wanted) return;
    direction.handler();
    if (descriptor.is_open()) wait(direction);
}

FdWatch::FdWatch(Loop& loop, int fd, Handler readable, Handler writable)
    : core_(new FdWatchCore(loop.core(), fd, std::move(readable), std::move(writable))) {}

FdWatch::~FdWatch() {
    core_->descriptor.release();
    core_->release();
}

void FdWatch::watch_read(bool on) {
    ATOLL_ASSERT(!on || core_->read.handler);
    core_->read.wanted = on;
    core_->wait(core_->read);
}

void FdWatch::watch_write(bool on) {
    ATOLL_ASSERT(!on || core_->write.handler);
    core_->write.wanted = on;
    core_->wait(core_->write);
}

}  // namespace Atoll::loop
