// Reading, writing, flushing: MS-FSA 2.1.5.3, 2.1.5.4, 2.1.5.7. The run_ functions are called by pool threads: they touch the descriptor
// and nothing that changes.
#include <climits>

#include "base/limits.h"
#include "smbd/fsa/core.h"

namespace Atoll::fsa {

Result<ReadNow, NtStatus> OpenFile::read_now(MutableBytes out, uint64_t offset) {
    if (directory) return NtStatus::INVALID_DEVICE_REQUEST;
    if ((granted & (access::read_data | access::execute)) == 0) return NtStatus::ACCESS_DENIED;
    if (offset > INT64_MAX || out.size() > INT64_MAX - offset) return NtStatus::INVALID_PARAMETER;
    if (out.empty()) return ReadNow{true, 0};
    if (auto r = check_locks(offset, out.size(), false); !r) return r.failure();
    if (!vfs().reads_cached()) return ReadNow{};
    auto n = vfs().pread_cached(file, out, offset);
    if (!n) {
        if (n.error() == EAGAIN || n.error() == EOPNOTSUPP) return ReadNow{};
        return nt_status_from_errno(n.error());
    }
    if (*n == 0) return NtStatus::END_OF_FILE;
    if (*n < out.size()) {  // the end of the file, or of what is cached
        auto now = vfs().stat(file);
        if (!now) return nt_status_from_errno(now.error());
        if (offset + *n < now->size) return ReadNow{};
    }
    position = offset + *n;
    return ReadNow{true, *n};
}

Result<size_t, NtStatus> OpenFile::run_read(MutableBytes out, uint64_t offset) {
    auto n = vfs().pread(file, out, offset);
    if (!n) return nt_status_from_errno(n.error());
    if (*n == 0 && !out.empty()) return NtStatus::END_OF_FILE;
    return *n;
}

Result<size_t, NtStatus> OpenFile::finish_read(Result<size_t, NtStatus> result, uint64_t offset) {
    if (result) position = offset + *result;
    return result;
}

Result<void, NtStatus> OpenFile::check_write(uint64_t offset, size_t length) {
    if (directory) return NtStatus::INVALID_DEVICE_REQUEST;
    // MS-SMB2 3.3.5.13 with its note 364: either right will do, wherever the range is.
    if ((granted & (access::write_data | access::append_data)) == 0) return NtStatus::ACCESS_DENIED;
    if (offset > INT64_MAX || length > INT64_MAX - offset) return NtStatus::INVALID_PARAMETER;
    if (length > 0 && offset + length > limits::max_file_size) return NtStatus::INVALID_PARAMETER;
    if (auto r = check_locks(offset, length, true); !r) return r;
    if (length > 0) core_.oplocks.break_for_write(*this);
    return {};
}

Result<size_t, NtStatus> OpenFile::run_write(Bytes data, uint64_t offset, bool write_through) {
    auto n = vfs().pwrite(file, data, offset);
    if (!n) return nt_status_from_errno(n.error());
    if (*n < data.size() && *n == 0) return NtStatus::DISK_FULL;
    if (write_through || share_->conf().sync_always) {
        if (auto r = vfs().fsync(file); !r) return nt_status_from_errno(r.error());
    }
    return *n;
}

Result<size_t, NtStatus> OpenFile::finish_write(Result<size_t, NtStatus> result, uint64_t offset) {
    if (!result) return result;
    position = offset + *result;
    report_written();
    if (auto r = note_modification(); !r) return r.failure();
    return result;
}

Result<size_t, NtStatus> OpenFile::write_now(Bytes data, uint64_t offset, bool write_through) {
    if (auto r = check_write(offset, data.size()); !r) return r.failure();
    if (data.empty()) return size_t{0};
    return finish_write(run_write(data, offset, write_through || (mode & option::write_through) != 0), offset);
}

// MS-SMB2 3.3.5.11: what was opened without a right to change it has nothing to flush.
Result<void, NtStatus> OpenFile::check_flush() {
    constexpr uint32_t any_change = access::write_data | access::append_data;  // FILE_ADD_FILE and FILE_ADD_SUBDIRECTORY of a directory
    if ((granted & any_change) == 0) return NtStatus::ACCESS_DENIED;
    return {};
}

Result<void, NtStatus> OpenFile::run_flush() {
    if (!share_->conf().strict_sync) return {};
    if (file.path_only) {  // a directory that was opened to make names in it
        auto readable = vfs().reopen(file, vfs::Access::read);
        if (!readable) return nt_status_from_errno(readable.error());
        if (auto r = vfs().fsync(*readable); !r) return nt_status_from_errno(r.error());
        return {};
    }
    if (auto r = vfs().fsync(file); !r) return nt_status_from_errno(r.error());
    return {};
}

}  // namespace Atoll::fsa
