// Holes: FSCTL_SET_SPARSE, FSCTL_QUERY_ALLOCATED_RANGES, FSCTL_SET_ZERO_DATA, FSCTL_FILE_LEVEL_TRIM.
#include "libcli/smb/ioctl.h"
#include "smbd/smb2/acting.h"
#include "smbd/smb2/ioctl.h"
#include "smbd/smb2/request.h"

namespace Atoll::smb2 {

using smb::IoctlRequest;

// MS-FSCC 2.3.83: without a buffer it is set.
NtStatus set_sparse(Request& request, const IoctlRequest& ioctl) {
    if (const NtStatus status = act_as_user(request); status != NtStatus::SUCCESS) return status;
    const auto set = request.open->file->set_sparse(ioctl.input.empty() || ioctl.input[0] != 0);
    return set.ok() ? answer_ioctl(request, ioctl, {}) : set.error();
}

NtStatus query_allocated_ranges(Request& request, const IoctlRequest& ioctl) {
    const auto range = smb::AllocatedRange::decode(ioctl.input);
    if (!range.ok()) return range.error();
    if (const NtStatus status = act_as_user(request); status != NtStatus::SUCCESS) return status;
    std::vector<fsa::FileRange> found;
    const size_t limit = ioctl.max_output_response / smb::AllocatedRange::size;
    const auto more = request.open->file->allocated_ranges({range->file_offset, range->length}, limit, found);
    if (!more.ok()) return more.error();
    if (*more && found.empty()) return NtStatus::BUFFER_TOO_SMALL;
    Buffer output;
    ByteWriter out(output);
    for (const fsa::FileRange& one : found) smb::AllocatedRange{one.offset, one.length}.encode(out);
    return answer_ioctl(request, ioctl, output, *more ? NtStatus::BUFFER_OVERFLOW : NtStatus::SUCCESS);
}

NtStatus set_zero_data(Request& request, const IoctlRequest& ioctl) {
    const auto zero = smb::SetZeroData::decode(ioctl.input);
    if (!zero.ok()) return zero.error();
    if (const NtStatus status = act_as_user(request); status != NtStatus::SUCCESS) return status;
    const auto done = request.open->file->set_zero_data(zero->file_offset, zero->beyond_final_zero);
    return done.ok() ? answer_ioctl(request, ioctl, {}) : done.error();
}

NtStatus file_level_trim(Request& request, const IoctlRequest& ioctl) {
    constexpr size_t output_size = 4;  // FILE_LEVEL_TRIM_OUTPUT (MS-FSCC 2.3.14)
    const auto trim = smb::FileLevelTrim::decode(ioctl.input);
    if (!trim.ok()) return trim.error();
    if (trim->count() == 0) return NtStatus::INVALID_PARAMETER;
    if (ioctl.max_output_response != 0 && ioctl.max_output_response < output_size) return NtStatus::INVALID_PARAMETER;
    if (const NtStatus status = act_as_user(request); status != NtStatus::SUCCESS) return status;
    std::vector<fsa::FileRange> ranges;
    for (size_t i = 0; i < trim->count(); i++) ranges.push_back({trim->range(i).file_offset, trim->range(i).length});
    const auto trimmed = request.open->file->trim(ranges);
    if (!trimmed.ok()) return trimmed.error();
    std::array<uint8_t, output_size> processed;
    store_le(processed.data(), static_cast<uint32_t>(ranges.size()));
    return answer_ioctl(request, ioctl, ioctl.max_output_response == 0 ? Bytes() : Bytes(processed));
}

// MS-FSA 2.1.5.10.24, MS-FSCC 2.3.55, 2.3.56: all of a file's data is valid.
NtStatus query_file_regions(Request& request, const IoctlRequest& ioctl) {
    constexpr uint32_t valid_cached_data = 0x1;
    constexpr size_t input_size = 24, least_output = 40;
    uint64_t offset = 0, length = INT64_MAX;
    uint32_t usage = valid_cached_data;
    if (!ioctl.input.empty()) {
        if (ioctl.input.size() < input_size) return NtStatus::BUFFER_TOO_SMALL;
        ByteReader in(ioctl.input);
        offset = in.u64();
        length = in.u64();
        usage = in.u32();
    }
    const bool beyond = offset > INT64_MAX || length > INT64_MAX - offset;
    if (request.open->file->is_directory() || length == 0 || beyond || (usage & valid_cached_data) == 0) return NtStatus::INVALID_PARAMETER;
    if (ioctl.max_output_response < least_output) return NtStatus::BUFFER_TOO_SMALL;
    if (const NtStatus status = act_as_user(request); status != NtStatus::SUCCESS) return status;
    const auto info = request.open->file->info();
    if (!info.ok()) return info.error();
    const uint64_t end = info->end_of_file;
    if (offset > end || (offset == end && end > 0)) return answer_ioctl(request, ioctl, {});
    Buffer output;
    ByteWriter out(output);
    out.u32(0);  // Flags
    out.u32(1);  // TotalRegionEntryCount
    out.u32(1);  // RegionEntryCount
    out.u32(0);
    out.u64(offset);
    out.u64(std::min(length, end - offset));
    out.u32(end > 0 ? usage : 0);
    out.u32(0);
    return answer_ioctl(request, ioctl, output);
}

}  // namespace Atoll::smb2
