// Copies within the server: FSCTL_SRV_COPYCHUNK (MS-SMB2 3.3.5.15.6) and FSCTL_DUPLICATE_EXTENTS_TO_FILE (MS-FSA 2.1.5.10.4). The run_
// functions are called by pool threads: they touch the descriptors and nothing that changes.
#include <algorithm>
#include <climits>
#include <vector>

#include "base/limits.h"
#include "smbd/fsa/core.h"

namespace Atoll::fsa {

namespace {

constexpr uint64_t at_end = UINT64_MAX;

bool overlap(uint64_t a, uint64_t b, uint64_t length) { return a < b ? b - a < length : a - b < length; }

// Errors by which the kernel says that it will not copy between these two.
bool must_be_read(int error) {
    return error == EXDEV || error == EINVAL || error == EOPNOTSUPP || error == ENOSYS || error == EBADF || error == EPERM;
}

bool is_readable(const OpenFile& file) { return (file.granted & (access::read_data | access::execute)) != 0; }

}  // namespace

// MS-SMB2 3.3.5.15.6; whether the target must be readable, too, depends on the control code.
Result<void, NtStatus> OpenFile::check_copy(Open& from_open, uint64_t from, uint64_t to, size_t length) {
    auto& source = static_cast<OpenFile&>(from_open);
    if (directory || source.directory) return NtStatus::INVALID_DEVICE_REQUEST;
    if (!is_readable(source)) return NtStatus::ACCESS_DENIED;
    if (from > INT64_MAX || length > INT64_MAX - from) return NtStatus::INVALID_PARAMETER;
    if (auto r = source.check_locks(from, length, false); !r) return r;
    if (to != at_end) return check_write(to, length);
    auto now = vfs().stat(file);
    if (!now) return nt_status_from_errno(now.error());
    return check_write(now->size, length);
}

Result<size_t, NtStatus> OpenFile::run_copy(Open& from_open, uint64_t from, uint64_t to, size_t length) {
    auto& source = static_cast<OpenFile&>(from_open);
    auto there = source.vfs().stat(source.file);
    if (!there) return nt_status_from_errno(there.error());
    if (from > there->size || length > there->size - from) return NtStatus::INVALID_VIEW_SIZE;
    if (to == at_end) {
        auto here = vfs().stat(file);
        if (!here) return nt_status_from_errno(here.error());
        to = here->size;
    }
    if (file.stream || source.file.stream || (id == source.id && overlap(from, to, length))) return copy_by_hand(source, from, to, length);
    for (size_t done = 0; done < length;) {
        auto n = vfs().copy_range(source.file, from + done, file, to + done, length - done);
        if (!n && must_be_read(n.error())) {
            auto rest = copy_by_hand(source, from + done, to + done, length - done);
            if (!rest) return rest;
            return done + *rest;
        }
        if (!n && n.error() == ENOSPC) return done;
        if (!n) return nt_status_from_errno(n.error());
        if (*n == 0) return NtStatus::INVALID_VIEW_SIZE;  // somebody has cut the source off
        done += *n;
    }
    return length;
}

// All is read before anything is written: the ranges may be of one file, and overlap.
Result<size_t, NtStatus> OpenFile::copy_by_hand(OpenFile& source, uint64_t from, uint64_t to, size_t length) {
    std::vector<uint8_t> bytes(length);
    auto got = source.vfs().pread(source.file, bytes, from);
    if (!got) return nt_status_from_errno(got.error());
    if (*got < length) return NtStatus::INVALID_VIEW_SIZE;
    auto put = vfs().pwrite(file, bytes, to);
    if (!put) return nt_status_from_errno(put.error());
    return *put;
}

// Byte-range locks are not looked at, as ReFS does not, the one file system of Windows that has this (MS-FSA <91>, <92>).
Result<void, NtStatus> OpenFile::check_duplicate(Open& from_open, uint64_t from, uint64_t to, uint64_t length) {
    auto& source = static_cast<OpenFile&>(from_open);
    if (directory || source.directory || file.stream || source.file.stream) return NtStatus::NOT_SUPPORTED;
    if (!is_readable(source)) return NtStatus::INVALID_PARAMETER;
    if (from > INT64_MAX || length > INT64_MAX - from) return NtStatus::INVALID_PARAMETER;
    if (auto r = check_write(to, 0); !r) return r;
    if (to + length > limits::max_file_size) return NtStatus::INVALID_PARAMETER;
    if (auto r = refresh(); !r) return r;
    if (auto r = source.refresh(); !r) return r;
    if (source.stat.size < from + length) return NtStatus::NOT_SUPPORTED;
    if (source.stat.device != stat.device) return NtStatus::INVALID_PARAMETER;
    if (source.is_sparse() && !is_sparse()) return NtStatus::NOT_SUPPORTED;
    if (id == source.id && overlap(from, to, length)) return NtStatus::NOT_SUPPORTED;
    core_.oplocks.break_for_write(*this);
    return {};
}

Result<void, NtStatus> OpenFile::run_duplicate(Open& from_open, uint64_t from, uint64_t to, uint64_t length) {
    auto& source = static_cast<OpenFile&>(from_open);
    auto before = vfs().stat(file);
    if (!before) return nt_status_from_errno(before.error());
    if (to >= before->size) return {};  // the target's size does not change
    auto cloned = vfs().clone_range(source.file, from, file, to, length);
    if (cloned && to + length > before->size) cloned = vfs().truncate(file, before->size);
    if (cloned) return {};
    if (cloned.error() == EOPNOTSUPP) return NtStatus::INVALID_DEVICE_REQUEST;
    if (cloned.error() == EXDEV) return NtStatus::INVALID_PARAMETER;
    return nt_status_from_errno(cloned.error());
}

}  // namespace Atoll::fsa
