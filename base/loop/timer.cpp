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

// The handler stands outside of the timer while it runs, because it may end the timer.
void LoopCore::ring(Timer& timer) {
    cancel_timer(timer);
    Timer::Handler handler = std::exchange(timer.handler_, nullptr);
    ringing = &timer;
    handler();
    if (ringing != nullptr) ringing->handler_ = std::move(handler);
    ringing = nullptr;
}

}  // namespace Atoll::loop
