// Inside of the loop, for this room's .cpp files only: Asio's context, the heap of timers, and memory for Asio's operations.
#pragma once

#include <atomic>
#include <cstddef>
#include <vector>

#include "base/assert.h"
#include "base/loop/asio.h"
#include "base/loop/loop.h"

namespace Atoll::loop {

namespace asio = boost::asio;

// Room for the one operation that waits on behalf of its owner, so that waiting allocates nothing. Falls back to the heap while it is
// taken (a timer moved forward has its cancelled wait still in the queue).
class HandlerMemory {
 public:
    static constexpr size_t size = 192;

    void* allocate(size_t bytes) {
        if (bytes > size || taken_) return ::operator new(bytes);
        taken_ = true;
        return storage_;
    }
    void deallocate(void* p) {
        if (p == storage_) {
            taken_ = false;
        } else {
            ::operator delete(p);
        }
    }

 private:
    alignas(std::max_align_t) unsigned char storage_[size];
    bool taken_ = false;
};

template <class T>
class HandlerAllocator {
 public:
    using value_type = T;

    explicit HandlerAllocator(HandlerMemory& memory) : memory_(&memory) {}
    template <class U>
    HandlerAllocator(const HandlerAllocator<U>& other) : memory_(other.memory_) {}

    T* allocate(size_t n) { return static_cast<T*>(memory_->allocate(n * sizeof(T))); }
    void deallocate(T* p, size_t) { memory_->deallocate(p); }
    bool operator==(const HandlerAllocator& other) const { return memory_ == other.memory_; }

 private:
    template <class>
    friend class HandlerAllocator;
    HandlerMemory* memory_;
};

struct LoopCore {
    LoopCore() : work(asio::make_work_guard(context)), alarm(context) {}

    void link(Deferred& deferred);
    void unlink(Deferred& deferred);
    void run_deferred();

    // Timers: a binary heap by moment, and one Asio timer, `alarm`, that stands at or before the earliest.
    void set_timer(Timer& timer, Monotonic when);
    void cancel_timer(Timer& timer);
    void place(size_t position, Timer* timer);
    void sift_up(size_t position);
    void sift_down(size_t position);
    void arm_alarm();
    void ring(Timer& timer);
    void alarm_rang(const boost::system::error_code& error);

    HandlerMemory alarm_memory;  // outlives the context, which frees what still waits

    asio::io_context context{1};  // one thread runs it, others may post
    asio::executor_work_guard<asio::io_context::executor_type> work;
    std::atomic<bool> stopped{false};
    Deferred* first_deferred = nullptr;
    Deferred* last_deferred = nullptr;

    std::vector<Timer*> timers;
    Timer* ringing = nullptr;  // whose handler runs now; null again if the handler ended it
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, asio::io_context::executor_type>
        alarm;
    Monotonic alarm_at = Monotonic::max();  // max: not armed
};

}  // namespace Atoll::loop
