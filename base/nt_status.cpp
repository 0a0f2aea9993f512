#include "base/nt_status.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

namespace Atoll::inline base {
namespace {

struct Row {
    uint32_t value;
    const char* name;
};

constexpr Row rows[] = {
#define ATOLL_NT_STATUS(value, name) {value, "NT_STATUS_" #name},
#include "base/nt_status_codes.h"
#undef ATOLL_NT_STATUS
};

}  // namespace

std::string to_string(NtStatus status) {
    if (status == NtStatus::SUCCESS) return "NT_STATUS_OK";
    const uint32_t value = to_u32(status);
    const Row* row = std::lower_bound(std::begin(rows), std::end(rows), value, [](const Row& r, uint32_t v) { return r.value < v; });
    if (row != std::end(rows) && row->value == value) return row->name;
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "NT code 0x%08x", value);
    return text.data();
}

NtStatus nt_status_from_errno(int error_number) {
    switch (error_number) {
        case 0: return NtStatus::SUCCESS;
        case EPERM:
        case EACCES: return NtStatus::ACCESS_DENIED;
        case ENOENT: return NtStatus::OBJECT_NAME_NOT_FOUND;
        case ENOTDIR: return NtStatus::OBJECT_PATH_NOT_FOUND;
        case EISDIR: return NtStatus::FILE_IS_A_DIRECTORY;
        case EEXIST: return NtStatus::OBJECT_NAME_COLLISION;
        case ENOTEMPTY: return NtStatus::DIRECTORY_NOT_EMPTY;
        case EXDEV: return NtStatus::NOT_SAME_DEVICE;
        case EROFS: return NtStatus::MEDIA_WRITE_PROTECTED;
        case ENOSPC: return NtStatus::DISK_FULL;
        case EDQUOT: return NtStatus::DISK_FULL;
        case EFBIG: return NtStatus::DISK_FULL;
        case ENAMETOOLONG: return NtStatus::OBJECT_NAME_INVALID;
        case ELOOP: return NtStatus::OBJECT_PATH_NOT_FOUND;
        case EMLINK: return NtStatus::TOO_MANY_LINKS;
        case EBUSY: return NtStatus::SHARING_VIOLATION;
        case ETXTBSY: return NtStatus::SHARING_VIOLATION;
        case EMFILE:
        case ENFILE: return NtStatus::TOO_MANY_OPENED_FILES;
        case ENOMEM: return NtStatus::INSUFFICIENT_RESOURCES;
        case EINVAL: return NtStatus::INVALID_PARAMETER;
        case EBADF: return NtStatus::INVALID_HANDLE;
        case EAGAIN: return NtStatus::FILE_LOCK_CONFLICT;
        case ENOTSUP: return NtStatus::NOT_SUPPORTED;
        case ENOSYS: return NtStatus::NOT_IMPLEMENTED;
        case EIO: return NtStatus::IO_DEVICE_ERROR;
        case ESTALE: return NtStatus::FILE_CLOSED;
        case ETIMEDOUT: return NtStatus::IO_TIMEOUT;
        case ENODATA: return NtStatus::NOT_FOUND;
        case ERANGE: return NtStatus::BUFFER_TOO_SMALL;
        default: return NtStatus::UNSUCCESSFUL;
    }
}

}  // namespace Atoll::inline base
