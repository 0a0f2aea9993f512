#include <chrono>
#include <utility>

#include "base/loop/core.h"

namespace Atoll::loop {

Timer::Timer(Loop& loop, Handler handler) : core_(loop.core()), handler_(std::move(handler)) {}

Timer::~Timer() {
    cancel();
    if (core_.ringing == this) core_.ringing = nullptr;
}

void Timer::set_at(Monotonic when) { core_.set_timer(*this, when); }
void Timer::cancel() { core_.cancel_timer(*this); }

void LoopCore::place(size_t position, Timer* timer) {
    timers[position] = timer;
    timer->position_ = position;
}

void LoopCore::sift_up(size_t position) {
    Timer* timer = timers[position];
    while (position > 0) {
        const size_t parent = (position - 1) / 2;
        if (timers[parent]->when_ <= timer->when_) break;
        place(position, timers[parent]);
        position = parent;
    }
    place(position, timer);
}

void LoopCore::sift_down(size_t position) {
    Timer* timer = timers[position];
    for (;;) {
        size_t child = 2 * position + 1;
        if (child >= timers.size()) break;
        if (child + 1 < timers.size() && timers[child + 1]->when_ < timers[child]->when_) ++child;
        if (timer->when_ <= timers[child]->when_) break;
        place(position, timers[child]);
        position = child;
    }
    place(position, timer);
}

void LoopCore::set_timer(Timer& timer, Monotonic when) {
    timer.when_ = when;
    if (!timer.is_set()) {
        timers.push_back(&timer);
        timer.position_ = timers.size() - 1;
    }
    sift_up(timer.position_);
    sift_down(timer.position_);
    arm_alarm();
}

void LoopCore::cancel_timer(Timer& timer) {
    if (!timer.is_set()) return;
    const size_t hole = timer.position_;
    timer.position_ = Timer::not_set;
    Timer* last = timers.back();
    timers.pop_back();
    if (last == &timer) return;
    place(hole, last);
    sift_up(hole);
    sift_down(last->position_);
}

namespace {

struct AlarmHandler {
    using allocator_type = HandlerAllocator<void>;
    [[nodiscard]] allocator_type get_allocator() const noexcept { return allocator_type(core->alarm_memory); }
    void operator()(const boost::system::error_code& error) { core->alarm_rang(error); }
    LoopCore* core;
};

}  // namespace

// An alarm that stands too early only wakes the loop once in vain; that is cheaper than moving it whenever a timer moves.
void LoopCore::arm_alarm() {
    if (timers.empty() || timers.front()->when_ >= alarm_at) return;
    alarm_at = timers.front()->when_;
    alarm.expires_at(alarm_at);
    alarm.async_wait(AlarmHandler{this});
}

// The handler stands outside of the timer while it runs, because it may end the timer.
void LoopCore::ring(Timer& timer) {
    cancel_timer(timer);
    Timer::Handler handler = std::exchange(timer.handler_, nullptr);
    ringing = &timer;
    handler();
    if (ringing != nullptr) ringing->handler_ = std::move(handler);
    ringing = nullptr;
}

void LoopCore::alarm_rang(const boost::system::error_code& error) {
    if (error) return;  // moved forward: the later wait rings
    alarm_at = Monotonic::max();
    const Monotonic now = monotonic_now();
    // What handlers set anew for a moment already past waits for the next ring, so that the loop gets to its descriptors.
    for (size_t left = timers.size(); left > 0 && !timers.empty() && timers.front()->when_ <= now; --left) ring(*timers.front());
    arm_alarm();
}

}  // namespace Atoll::loop
