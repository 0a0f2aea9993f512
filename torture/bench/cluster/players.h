// Processes that work at the nodes of a cluster at the same time. Each is a child of its own, so that each is a client of its own of its
// node's ctdbd; what they tell each other is in memory that they share. Whatever goes wrong ends all of them and the program.
#pragma once

#include <sys/mman.h>
#include <sys/types.h>

#include <atomic>
#include <functional>
#include <new>
#include <string>
#include <vector>

#include "base/result.h"

namespace Atoll::bench {

// Says so on standard error, and ends this process with the status 2.
[[noreturn]] void give_up(const std::string& why);

template <class T>
T must(Result<T> result) {
    if (!result) give_up(result.error().message());
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

// A T that children see too: made before they are.
template <class T>
class Shared {
 public:
    Shared() {
        void* const at = ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (at == MAP_FAILED) give_up("no shared memory");
        value_ = new (at) T;
    }
    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;
    ~Shared() {
        value_->~T();
        ::munmap(value_, sizeof(T));
    }
    T& operator*() { return *value_; }
    T* operator->() { return value_; }

 private:
    T* value_;
};

// A place in shared memory at which so many have to come before any goes on.
class Meeting {
 public:
    void come(unsigned expected);
    [[nodiscard]] bool complete(unsigned expected) const { return come_.load() >= expected; }

 private:
    std::atomic<unsigned> come_{0};
};

class Players {
 public:
    // No player takes longer than `patience_s` seconds.
    explicit Players(unsigned patience_s) : patience_s_(patience_s) {}
    Players(const Players&) = delete;
    Players& operator=(const Players&) = delete;

    // A child that does it, and ends.
    void add(const std::function<void()>& work);
    // Until the condition holds; gives up if a player fails before.
    void await(const std::function<bool()>& condition);
    // Until all of them have ended.
    void await_end();
    [[nodiscard]] size_t playing() const { return playing_.size(); }

 private:
    void reap();

    unsigned patience_s_;
    std::vector<pid_t> playing_;
};

}  // namespace Atoll::bench
