// Holes and compression: FSCTL_SET_SPARSE, FSCTL_QUERY_ALLOCATED_RANGES, FSCTL_SET_ZERO_DATA, FSCTL_FILE_LEVEL_TRIM,
// FSCTL_GET_COMPRESSION, FSCTL_SET_COMPRESSION (MS-FSA 2.1.5.10).
#include <algorithm>
#include <array>
#include <climits>

#include "base/loop/identity.h"
#include "smbd/fsa/core.h"

namespace Atoll::fsa {

namespace {

constexpr uint64_t page_size = 4096;  // Open.File.Volume.SystemPageSize

bool has_no_such(int error) { return error == EOPNOTSUPP || error == ENOSYS || error == ENOTTY; }

}  // namespace

Result<void, NtStatus> OpenFile::set_sparse(bool sparse) {
    if (directory) return NtStatus::INVALID_PARAMETER;
    if ((granted & (access::write_data | access::write_attributes | access::append_data)) == 0) return NtStatus::ACCESS_DENIED;
    if (auto r = refresh(); !r) return r;
    if (sparse == is_sparse()) return {};
    if (!sparse && stat.size > 0 && !file.path_only) {
        // What has no blocks yet gets them.
        auto filled = vfs().allocate(file, vfs::Allocate::keep_size, 0, stat.size);
        if (!filled && !has_no_such(filled.error()) && filled.error() != EBADF) return nt_status_from_errno(filled.error());
    }
    vfs::DosAttributes wanted = attributes;
    wanted.attributes = sparse ? wanted.attributes | attribute::sparse_file : wanted.attributes & ~attribute::sparse_file;
    if (auto r = store_attributes(wanted); !r) return r;
    return refresh();
}

Result<bool, NtStatus> OpenFile::allocated_ranges(const FileRange& range, size_t limit, std::vector<FileRange>& out) {
    if (directory) return NtStatus::INVALID_PARAMETER;
    if ((granted & access::read_data) == 0) return NtStatus::ACCESS_DENIED;
    if (range.offset > INT64_MAX || range.length > INT64_MAX - range.offset) return NtStatus::INVALID_PARAMETER;
    if (auto r = refresh(); !r) return r.failure();
    const uint64_t end = std::min(range.offset + range.length, stat.size);
    if (range.length == 0 || range.offset >= end) return false;
    if (limit == 0) return true;
    if (!is_sparse() || file.stream) {
        out.push_back({range.offset, end - range.offset});
        return false;
    }
    for (uint64_t at = range.offset; at < end;) {
        auto data = vfs().seek(file, vfs::Vfs::Seek::data, at);
        if (!data && data.error() == ENXIO) break;
        if (!data) return nt_status_from_errno(data.error());
        if (*data >= end) break;
        auto hole = vfs().seek(file, vfs::Vfs::Seek::hole, *data);
        if (!hole) return nt_status_from_errno(hole.error());
        if (out.size() == limit) return true;
        out.push_back({*data, std::min(*hole, end) - *data});
        at = *hole;
    }
    return false;
}

Result<void, NtStatus> OpenFile::set_zero_data(uint64_t offset, uint64_t beyond) {
    if (directory || offset > beyond || beyond > INT64_MAX) return NtStatus::INVALID_PARAMETER;
    if ((granted & access::write_data) == 0) return NtStatus::ACCESS_DENIED;
    if (auto r = refresh(); !r) return r;
    const uint64_t end = std::min(beyond, stat.size);
    if (offset >= end) return {};
    if (auto r = check_locks(offset, end - offset, true); !r) return r;
    core_.oplocks.break_for_write(*this);
    if (auto r = zero(offset, end - offset); !r) return r;
    report_written();
    return note_modification();
}

// A sparse file's zeros are holes; others keep their blocks where the file system knows how.
Result<void, NtStatus> OpenFile::zero(uint64_t offset, uint64_t length) {
    if (file.stream) return write_zeros(offset, length);
    auto zeroed = vfs().allocate(file, is_sparse() ? vfs::Allocate::punch_hole : vfs::Allocate::zero_range, offset, length);
    if (zeroed) return {};
    if (!has_no_such(zeroed.error())) return nt_status_from_errno(zeroed.error());
    return write_zeros(offset, length);
}

Result<void, NtStatus> OpenFile::write_zeros(uint64_t offset, uint64_t length) {
    static constexpr std::array<uint8_t, 65536> zeros{};
    while (length > 0) {
        auto n = vfs().pwrite(file, Bytes(zeros).first(std::min<uint64_t>(zeros.size(), length)), offset);
        if (!n) return nt_status_from_errno(n.error());
        if (*n == 0) return NtStatus::DISK_FULL;
        offset += *n;
        length -= *n;
    }
    return {};
}

// The kernel tells a disk by giving the blocks up: of whole pages, and zeros are what is read there then.
Result<void, NtStatus> OpenFile::trim(std::span<const FileRange> ranges) {
    if (directory) return NtStatus::INVALID_PARAMETER;
    if ((granted & access::write_data) == 0) return NtStatus::ACCESS_DENIED;
    if (auto r = refresh(); !r) return r;
    if (stat.compressed || file.stream) return NtStatus::INVALID_PARAMETER;
    for (const FileRange& range : ranges) {
        if (range.length > UINT64_MAX - range.offset || range.offset > UINT64_MAX - page_size) return NtStatus::INTEGER_OVERFLOW;
        const uint64_t first = (range.offset + page_size - 1) / page_size * page_size;
        const uint64_t end = std::min(range.offset + range.length, stat.size) / page_size * page_size;
        if (first >= end) continue;
        if (auto r = check_locks(first, end - first, true); !r) return r;
        core_.oplocks.break_for_write(*this);
        auto punched = vfs().allocate(file, vfs::Allocate::punch_hole, first, end - first);
        if (!punched && has_no_such(punched.error())) return NtStatus::INVALID_DEVICE_REQUEST;
        if (!punched) return nt_status_from_errno(punched.error());
    }
    report_written();
    return note_modification();
}

Result<bool, NtStatus> OpenFile::is_compressed() {
    if (auto r = refresh(); !r) return r.failure();
    return stat.compressed;
}

Result<void, NtStatus> OpenFile::set_compressed(bool compressed) {
    if ((granted & access::write_data) == 0) return NtStatus::ACCESS_DENIED;
    if (!vfs().features().compression) {  // nothing is compressed, and stays so
        if (compressed) return NtStatus::NOT_SUPPORTED;
        return {};
    }
    auto set = vfs().set_compressed(file, compressed);
    if (!set && (set.error() == EACCES || set.error() == EPERM)) {
        const loop::RootScope root;  // the right to write was checked; the file system wants the owner
        set = vfs().set_compressed(file, compressed);
    }
    if (!set && has_no_such(set.error())) return NtStatus::NOT_SUPPORTED;
    if (!set) return nt_status_from_errno(set.error());
    report(NotifyAction::modified, notify_filter::attributes);
    return refresh();
}

}  // namespace Atoll::fsa
