#include "tdb/file/mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "base/limits.h"

namespace Atoll::tdb {
namespace {

uint64_t page_floor(uint64_t offset) { return offset / Mapping::page_size * Mapping::page_size; }
uint64_t page_ceil(uint64_t offset) { return page_floor(offset + Mapping::page_size - 1); }

}  // namespace

Mapping::~Mapping() {
    if (private_) ::munmap(private_, max_data_size);
    if (base_) ::munmap(base_, reserved_);
}

Result<void> Mapping::map(UniqueFd fd, const std::string& name, uint32_t mutex_size, bool writable, Disk& disk) {
    ATOLL_ASSERT(base_ == nullptr);
    fd_ = std::move(fd);
    name_ = name;
    disk_ = &disk;
    mutex_size_ = mutex_size;
    writable_ = writable;
    if (auto sized = refresh_size(); !sized) return sized;
    reserved_ = mutex_size_ + max_data_size;
    const int access = writable_ ? PROT_READ | PROT_WRITE : PROT_READ;
    void* address = ::mmap(nullptr, reserved_, access, MAP_SHARED | MAP_NORESERVE, fd_.get(), 0);
    if (address == MAP_FAILED) return fail_errno(errno, name_, "cannot map the file");
    base_ = static_cast<uint8_t*>(address);
    data_ = shared_ = base_ + mutex_size_;
    return {};
}

Result<void> Mapping::refresh_size() {
    if (private_active_) return {};
    struct stat st {};
    if (::fstat(fd_.get(), &st) != 0) return fail_errno(errno, name_, "cannot tell the file's size");
    const auto bytes = static_cast<uint64_t>(st.st_size);
    size_ = bytes > mutex_size_ ? bytes - mutex_size_ : 0;
    if (size_ > max_data_size) size_ = max_data_size;
    return {};
}

Result<void> Mapping::grow(uint64_t size) {
    if (size <= size_) return {};
    if (size > max_data_size) return fail(Code::no_space, name_, "the file has reached the format's limit of 4 GiB");
    if (private_active_) return grow_private(size);
    const int outcome = disk_->allocate(fd_.get(), mutex_size_ + size_, size - size_);
    if (outcome != 0) return fail_errno(outcome, name_, "cannot make the file larger");
    size_ = size;
    return {};
}

// Memory takes the place of the map behind the last page of the file.
Result<void> Mapping::grow_private(uint64_t size) {
    const uint64_t from = page_ceil(size_), to = page_ceil(size);
    if (to > from) {
        void* memory =
            ::mmap(private_ + from, to - from, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) return fail_errno(errno, name_, "no memory for what the transaction grows by");
    }
    size_ = size;
    return {};
}

Result<void> Mapping::begin_private() {
    ATOLL_ASSERT(!private_active_);
    if (auto sized = refresh_size(); !sized) return sized;
    if (!private_) {
        void* address = ::mmap(nullptr, max_data_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd_.get(), mutex_size_);
        if (address == MAP_FAILED) return fail_errno(errno, name_, "cannot map the file for a transaction");
        private_ = static_cast<uint8_t*>(address);
        changed_bits_.assign(max_data_size / page_size / 64, 0);
    }
    shared_size_ = size_;
    refresh_copies();
    data_ = private_;
    private_active_ = true;
    return {};
}

// What others have changed since.
void Mapping::refresh_copies() {
    for (const uint32_t page : copies_) {
        const uint64_t at = page * page_size;
        if (at + page_size <= size_ && std::memcmp(private_ + at, shared_ + at, page_size) != 0)
            std::memcpy(private_ + at, shared_ + at, page_size);
    }
}

// What is read there next comes from the file again.
void Mapping::drop_copies(const std::vector<uint32_t>& pages, uint64_t end) {
    for (size_t i = 0; i < pages.size();) {
        size_t next = i + 1;
        while (next < pages.size() && pages[next] - pages[next - 1] <= limits::max_page_gap) next++;
        const uint64_t from = pages[i] * page_size, to = std::min(end, (uint64_t{pages[next - 1]} + 1) * page_size);
        if (from < to) ATOLL_ASSERT(::madvise(private_ + from, to - from, MADV_DONTNEED) == 0);
        i = next;
    }
}

// The copies of a few pages are kept: making one anew costs more than comparing it.
void Mapping::end_private() {
    ATOLL_ASSERT(private_active_);
    const std::vector<uint32_t>& pages = changed_pages();
    const uint64_t memory_from = page_ceil(shared_size_), memory_to = page_ceil(size_);
    const auto whole_pages = static_cast<uint32_t>(shared_size_ / page_size);
    all_copies_.clear();
    std::set_union(copies_.begin(), copies_.end(), pages.begin(), pages.end(), std::back_inserter(all_copies_));
    const bool keep = all_copies_.size() <= limits::max_kept_pages && (all_copies_.empty() || all_copies_.back() < whole_pages);
    if (!keep) {
        drop_copies(all_copies_, memory_from);
        all_copies_.clear();
    }
    copies_.swap(all_copies_);
    for (const uint32_t page : pages) changed_bits_[page / 64] = 0;
    changed_.clear();
    if (memory_to > memory_from) {
        void* file = ::mmap(private_ + memory_from, memory_to - memory_from, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd_.get(), static_cast<off_t>(mutex_size_ + memory_from));
        ATOLL_ASSERT(file != MAP_FAILED);
    }
    private_active_ = false;
    data_ = shared_;
    size_ = shared_size_;
}

void Mapping::note_change(uint64_t offset, uint64_t length) {
    if (length == 0) return;
    for (uint64_t page = offset / page_size; page <= (offset + length - 1) / page_size; page++) {
        uint64_t& bits = changed_bits_[page / 64];
        const uint64_t bit = uint64_t{1} << page % 64;
        if ((bits & bit) != 0) continue;
        bits |= bit;
        changed_.push_back(static_cast<uint32_t>(page));
    }
}

const std::vector<uint32_t>& Mapping::changed_pages() {
    std::sort(changed_.begin(), changed_.end());
    return changed_;
}

}  // namespace Atoll::tdb
