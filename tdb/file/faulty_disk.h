// Disks for tests: one on which an operation fails or at which the process dies, and one that tells what was written and synced.
#pragma once

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "tdb/file/disk.h"

namespace Atoll::tdb {

class FaultyDisk final : public Disk {
 public:
    // The nth operation from now (1: the next) and those after it, `count` in all, fail; a write does half of its work
    // before it fails, but a word is written or not.
    void fail_at(unsigned nth, int error, unsigned count = 1) {
        at_ = nth;
        count_ = count;
        error_ = error;
        operations_ = 0;
    }
    // The process ends as by SIGKILL when half of the nth operation is done.
    void die_at(unsigned nth) {
        fail_at(nth, 0);
        dies_ = true;
    }
    [[nodiscard]] unsigned operations() const { return operations_; }

    int write(int fd, uint64_t offset, Bytes bytes) override {
        if (!due()) return Disk::write(fd, offset, bytes);
        if (bytes.size() > 4) Disk::write(fd, offset, bytes.first(bytes.size() / 2));
        return fault();
    }
    int sync(int fd) override { return due() ? fault() : Disk::sync(fd); }
    int allocate(int fd, uint64_t offset, uint64_t length) override {
        if (!due()) return Disk::allocate(fd, offset, length);
        if (dies_) Disk::allocate(fd, offset, length);
        return fault();
    }
    int truncate(int fd, uint64_t length) override { return due() ? fault() : Disk::truncate(fd, length); }

 private:
    bool due() {
        operations_++;
        return at_ != 0 && operations_ >= at_ && operations_ < at_ + count_;
    }
    int fault() {
        if (dies_) ::kill(::getpid(), SIGKILL);
        return error_;
    }

    unsigned at_ = 0, count_ = 1, operations_ = 0;
    int error_ = 0;
    bool dies_ = false;
};

// Does everything, and remembers it.
class RecordingDisk final : public Disk {
 public:
    struct Operation {
        enum class Kind { write, sync, allocate, truncate } kind;
        uint64_t offset = 0;  // or the length of the file
        std::string bytes;
    };

    int write(int fd, uint64_t offset, Bytes bytes) override {
        operations.push_back({Operation::Kind::write, offset, std::string(as_text(bytes))});
        return Disk::write(fd, offset, bytes);
    }
    int sync(int fd) override {
        operations.push_back({Operation::Kind::sync, 0, {}});
        return Disk::sync(fd);
    }
    int allocate(int fd, uint64_t offset, uint64_t length) override {
        operations.push_back({Operation::Kind::allocate, offset + length, {}});
        return Disk::allocate(fd, offset, length);
    }
    int truncate(int fd, uint64_t length) override {
        operations.push_back({Operation::Kind::truncate, length, {}});
        return Disk::truncate(fd, length);
    }

    std::vector<Operation> operations;
};

// What a disk may hold when the machine stops after `done` operations: all that was synced, and of the rest any sectors.
// `keep` is asked for each sector of the rest, and for each change of the size.
inline std::string image_after(const std::string& before, const std::vector<RecordingDisk::Operation>& operations, size_t done,
                               const std::function<bool()>& keep) {
    using Kind = RecordingDisk::Operation::Kind;
    constexpr uint64_t sector = 512;
    size_t synced = done;
    while (synced > 0 && operations[synced - 1].kind != Kind::sync) synced--;
    std::string image = before;
    for (size_t i = 0; i < done; i++) {
        const auto& operation = operations[i];
        const bool sure = i < synced;
        if (operation.kind == Kind::allocate && (sure || keep()) && image.size() < operation.offset) image.resize(operation.offset, '\0');
        if (operation.kind == Kind::truncate && (sure || keep())) image.resize(operation.offset, '\0');
        if (operation.kind != Kind::write) continue;
        const uint64_t end = operation.offset + operation.bytes.size();
        for (uint64_t at = operation.offset; at < end;) {
            const uint64_t next = std::min(end, (at / sector + 1) * sector);
            if (sure || keep()) {
                if (image.size() < next) image.resize(next, '\0');
                std::memcpy(image.data() + at, operation.bytes.data() + (at - operation.offset), next - at);
            }
            at = next;
        }
    }
    return image;
}

}  // namespace Atoll::tdb
