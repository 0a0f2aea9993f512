// A word of memory that one process writes while others read it, with the type of what it holds.
#pragma once

#include <atomic>

namespace Atoll::inline base {

// Every access is one of memory order seq_cst. Copying one copies its value.
template <class T>
class Shared {
 public:
    Shared(T value = T()) : value_(value) {}  // as the T that it stands for
    Shared(const Shared& other) : value_(other.value()) {}
    Shared& operator=(const Shared& other) {
        value_.store(other.value());
        return *this;
    }
    [[nodiscard]] T value() const { return value_.load(); }
    operator T() const { return value(); }

 private:
    static_assert(std::atomic<T>::is_always_lock_free, "other processes see it");
    std::atomic<T> value_;
};

}  // namespace Atoll::inline base
