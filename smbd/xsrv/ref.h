// Counted objects of the main thread, and references to them. Not thread-safe: the count is a plain number.
#pragma once

#include <cstdint>
#include <utility>

#include "base/assert.h"

namespace Atoll::xsrv {

template <class T>
class Ref;

// Derive from it; the object is deleted when the last Ref goes.
class Counted {
 public:
    Counted() = default;
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;

 protected:
    virtual ~Counted() = default;
    // What happens when the last reference goes; a pooled object overrides it.
    virtual void unreferenced() { delete this; }

 private:
    template <class T>
    friend class Ref;
    uint32_t references_ = 0;
};

template <class T>
class Ref {
 public:
    Ref() = default;
    Ref(std::nullptr_t) {}
    explicit Ref(T* object) : object_(object) { take(); }
    Ref(const Ref& other) : object_(other.object_) { take(); }
    Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    Ref& operator=(Ref other) noexcept {
        std::swap(object_, other.object_);
        return *this;
    }
    ~Ref() { drop(); }

    [[nodiscard]] T* get() const { return object_; }
    T* operator->() const { return object_; }
    T& operator*() const { return *object_; }
    explicit operator bool() const { return object_ != nullptr; }
    bool operator==(const Ref& other) const { return object_ == other.object_; }

 private:
    void take() {
        if (object_) static_cast<Counted*>(object_)->references_++;
    }
    void drop() {
        if (!object_) return;
        Counted* counted = std::exchange(object_, nullptr);
        ATOLL_ASSERT(counted->references_ > 0);
        if (--counted->references_ == 0) counted->unreferenced();
    }

    T* object_ = nullptr;
};

template <class T, class... A>
Ref<T> make_ref(A&&... args) {
    return Ref<T>(new T(std::forward<A>(args)...));
}

}  // namespace Atoll::xsrv
