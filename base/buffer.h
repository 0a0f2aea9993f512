// A growable byte buffer that does not clear what it grows by and keeps its capacity when emptied: reuse it and the steady
// state allocates nothing. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

#include "base/assert.h"

namespace Atoll::inline base {

using Bytes = std::span<const uint8_t>;
using MutableBytes = std::span<uint8_t>;

class Buffer {
 public:
    Buffer() = default;
    explicit Buffer(size_t capacity) { reserve(capacity); }

    [[nodiscard]] uint8_t* data() { return data_.get(); }
    [[nodiscard]] const uint8_t* data() const { return data_.get(); }
    [[nodiscard]] size_t size() const { return size_; }
    [[nodiscard]] size_t capacity() const { return capacity_; }
    [[nodiscard]] bool empty() const { return size_ == 0; }
    [[nodiscard]] Bytes bytes() const { return {data_.get(), size_}; }
    [[nodiscard]] MutableBytes mutable_bytes() { return {data_.get(), size_}; }
    operator Bytes() const { return bytes(); }
    uint8_t& operator[](size_t i) { return data_[i]; }
    const uint8_t& operator[](size_t i) const { return data_[i]; }

    void clear() { size_ = 0; }
    void reserve(size_t capacity) {
        if (capacity > capacity_) grow_to(capacity);
    }
    // New bytes are not initialized: the caller writes them all before they go anywhere.
    void resize(size_t size) {
        reserve_for(size);
        size_ = size;
    }
    // Grows by n and returns the n new, uninitialized bytes.
    MutableBytes extend(size_t n) {
        const size_t old = size_;
        resize(old + n);
        return {data_.get() + old, n};
    }
    void append(Bytes bytes) {
        if (!bytes.empty()) std::memcpy(extend(bytes.size()).data(), bytes.data(), bytes.size());
    }
    void append_zeros(size_t n) {
        if (n > 0) std::memset(extend(n).data(), 0, n);
    }
    void assign(Bytes bytes) {
        clear();
        append(bytes);
    }

 private:
    void reserve_for(size_t size) {
        if (size > capacity_) grow_to(size > capacity_ * 2 ? size : capacity_ * 2);
    }
    void grow_to(size_t capacity) {
        auto grown = std::unique_ptr<uint8_t[]>(new uint8_t[capacity]);
        if (size_ > 0) std::memcpy(grown.get(), data_.get(), size_);
        data_ = std::move(grown);
        capacity_ = capacity;
    }

    std::unique_ptr<uint8_t[]> data_;
    size_t size_ = 0;
    size_t capacity_ = 0;
};

inline Bytes as_bytes(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }
inline std::string_view as_text(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

}  // namespace Atoll::inline base
