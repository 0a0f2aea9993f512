// A TDB file in memory: mapped once over as much address space as the format can need, so that growth moves nothing.
//
// Only bytes below the file's known size are touched, and the file grows by fallocate before its size becomes known: a full disk is an
// error of grow(), never SIGBUS.
//
// While a transaction is in progress everything here shows and changes the private view: a second, copy-on-write map of the file, with
// memory behind the file's end for what it grows by. Pages that were changed are noted, for the commit.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "tdb/file/disk.h"
#include "tdb/file/format.h"

namespace Atoll::tdb {

class Mapping {
 public:
    static constexpr uint64_t page_size = 4096;

    Mapping() = default;
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping();

    // Maps fd, whose data part starts at mutex_size. `name` is for messages.
    Result<void> map(UniqueFd fd, const std::string& name, uint32_t mutex_size, bool writable, Disk& disk);

    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] bool writable() const { return writable_; }
    [[nodiscard]] uint32_t mutex_size() const { return mutex_size_; }
    [[nodiscard]] uint8_t* mutex_area() const { return base_; }

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
    [[nodiscard]] const uint8_t* at(uint64_t offset) const { return data_ + offset; }
    [[nodiscard]] const FileHeader& header() const { return *reinterpret_cast<const FileHeader*>(data_); }
    [[nodiscard]] const RecordHeader& record(Offset offset) const { return *reinterpret_cast<const RecordHeader*>(data_ + offset); }
    // The same for changing.
    [[nodiscard]] uint8_t* edit(uint64_t offset, uint64_t length) {
        touch(offset, length);
        return data_ + offset;
    }
    [[nodiscard]] FileHeader& edit_header() { return *reinterpret_cast<FileHeader*>(edit(0, sizeof(FileHeader))); }
    [[nodiscard]] RecordHeader& edit_record(Offset offset) { return *reinterpret_cast<RecordHeader*>(edit(offset, sizeof(RecordHeader))); }

    // Words that other processes must see, and a crash must leave, in the order in which they are written.
    [[nodiscard]] uint32_t load(Offset offset) const { return word(data_, offset).load(std::memory_order_acquire); }
    void publish(Offset offset, uint32_t value) {
        touch(offset, sizeof value);
        word(data_, offset).store(value, std::memory_order_release);
    }

    // The private view.
    Result<void> begin_private();
    // Back to the file; what was changed is forgotten.
    void end_private();
    [[nodiscard]] bool is_private() const { return private_active_; }
    // The file's own bytes and size while the private view is shown.
    [[nodiscard]] const uint8_t* shared_at(uint64_t offset) const { return shared_ + offset; }
    [[nodiscard]] uint32_t shared_word(Offset offset) const { return word(shared_, offset).load(std::memory_order_acquire); }
    void publish_shared(Offset offset, uint32_t value) const { word(shared_, offset).store(value, std::memory_order_release); }
    [[nodiscard]] uint64_t shared_size() const { return shared_size_; }
    // Numbers of the pages of the data part that were changed, in ascending order.
    [[nodiscard]] const std::vector<uint32_t>& changed_pages();

 private:
    static std::atomic_ref<uint32_t> word(uint8_t* base, Offset offset) {
        return std::atomic_ref<uint32_t>(*reinterpret_cast<uint32_t*>(base + offset));
    }
    void touch(uint64_t offset, uint64_t length) {
        if (__builtin_expect(private_active_, 0)) note_change(offset, length);
    }
    void note_change(uint64_t offset, uint64_t length);
    Result<void> grow_private(uint64_t size);
    void refresh_copies();
    void drop_copies(const std::vector<uint32_t>& pages, uint64_t end);

    UniqueFd fd_;
    std::string name_;
    Disk* disk_ = nullptr;
    uint8_t* base_ = nullptr;
    uint8_t* shared_ = nullptr;   // the data part in the file's own map
    uint8_t* private_ = nullptr;  // the data part in the private map, made by the first transaction
    uint8_t* data_ = nullptr;     // one of these two
    uint64_t reserved_ = 0;
    uint64_t size_ = 0;
    uint64_t shared_size_ = 0;
    uint32_t mutex_size_ = 0;
    bool writable_ = false;
    bool private_active_ = false;
    std::vector<uint64_t> changed_bits_;  // one for each page
    std::vector<uint32_t> changed_;
    std::vector<uint32_t> copies_;  // pages of which the private map has kept a copy since the last transaction; in ascending order
    std::vector<uint32_t> all_copies_;
};

// Bounds a walk along links: records do not overlap, so one that has met more of them than the file can hold goes in a circle.
class Steps {
 public:
    [[nodiscard]] bool next(const Mapping& mapping) { return ++taken_ * sizeof(RecordHeader) <= mapping.size() + sizeof(RecordHeader); }

 private:
    uint64_t taken_ = 0;
};

}  // namespace Atoll::tdb
