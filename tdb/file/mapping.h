// A TDB file in memory: mapped once over as much address space as the format can need, so that growth moves nothing.
//
// Only bytes below the file's known size are touched, and the file grows by fallocate before its size becomes known: a full disk is an
// error of grow(), never SIGBUS.
#pragma once

#include <atomic>
#include <string>

#include "base/buffer.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "tdb/file/format.h"

namespace Atoll::tdb {

class Mapping {
 public:
    Mapping() = default;
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping();

    // Maps fd, whose data part starts at mutex_size. `name` is for messages.
    Result<void> map(UniqueFd fd, const std::string& name, uint32_t mutex_size, bool writable);

    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] bool writable() const { return writable_; }
    [[nodiscard]] uint8_t* mutex_area() const { return base_; }
    [[nodiscard]] FileHeader& header() const { return *reinterpret_cast<FileHeader*>(data_); }

    // Bytes of the data part, as last seen: others may have made it larger.
    [[nodiscard]] uint64_t size() const { return size_; }
    Result<void> refresh_size();
    // Makes the data part at least `size` bytes. Code::no_space.
    Result<void> grow(uint64_t size);

    // True if [offset, offset + length) is inside the file; asks the system for the size if it seems not to be.
    [[nodiscard]] bool contains(uint64_t offset, uint64_t length) {
        if (offset + length <= size_) return true;
        return refresh_size().ok() && offset + length <= size_;
    }
    [[nodiscard]] uint8_t* at(uint64_t offset) const { return data_ + offset; }
    [[nodiscard]] RecordHeader& record(Offset offset) const { return *reinterpret_cast<RecordHeader*>(data_ + offset); }

    // Words that other processes must see, and a crash must leave, in the order in which they are written.
    [[nodiscard]] uint32_t load(Offset offset) const { return word(offset).load(std::memory_order_acquire); }
    void publish(Offset offset, uint32_t value) const { word(offset).store(value, std::memory_order_release); }

 private:
    [[nodiscard]] std::atomic_ref<uint32_t> word(Offset offset) const {
        return std::atomic_ref<uint32_t>(*reinterpret_cast<uint32_t*>(data_ + offset));
    }

    UniqueFd fd_;
    std::string name_;
    uint8_t* base_ = nullptr;
    uint8_t* data_ = nullptr;
    uint64_t reserved_ = 0;
    uint64_t size_ = 0;
    uint32_t mutex_size_ = 0;
    bool writable_ = false;
};

// Bounds a walk along links: records do not overlap, so one that has met more of them than the file can hold goes in a circle.
class Steps {
 public:
    [[nodiscard]] bool next(const Mapping& mapping) { return ++taken_ * sizeof(RecordHeader) <= mapping.size() + sizeof(RecordHeader); }

 private:
    uint64_t taken_ = 0;
};

}  // namespace Atoll::tdb
