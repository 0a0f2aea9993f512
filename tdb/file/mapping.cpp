#include "tdb/file/mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

namespace Atoll::tdb {

Mapping::~Mapping() {
    if (base_) ::munmap(base_, reserved_);
}

Result<void> Mapping::map(UniqueFd fd, const std::string& name, uint32_t mutex_size, bool writable) {
    ATOLL_ASSERT(base_ == nullptr);
    fd_ = std::move(fd);
    name_ = name;
    mutex_size_ = mutex_size;
    writable_ = writable;
    if (auto sized = refresh_size(); !sized) return sized;
    reserved_ = mutex_size_ + max_data_size;
    const int access = writable_ ? PROT_READ | PROT_WRITE : PROT_READ;
    void* address = ::mmap(nullptr, reserved_, access, MAP_SHARED | MAP_NORESERVE, fd_.get(), 0);
    if (address == MAP_FAILED) return fail_errno(errno, name_, "cannot map the file");
    base_ = static_cast<uint8_t*>(address);
    data_ = base_ + mutex_size_;
    return {};
}

Result<void> Mapping::refresh_size() {
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
    int outcome;
    do {
        outcome = ::posix_fallocate(fd_.get(), static_cast<off_t>(mutex_size_ + size_), static_cast<off_t>(size - size_));
    } while (outcome == EINTR);
    if (outcome != 0) return fail_errno(outcome, name_, "cannot make the file larger");
    size_ = size;
    return {};
}

}  // namespace Atoll::tdb
