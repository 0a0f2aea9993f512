// FSCTL_SRV_ENUMERATE_SNAPSHOTS (MS-SMB2 2.2.32.2, 3.3.5.15.1).
#include "base/utf.h"
#include "libcli/smb/ioctl.h"
#include "smbd/smb2/acting.h"
#include "smbd/smb2/ioctl.h"
#include "smbd/smb2/request.h"

namespace Atoll::smb2 {

NtStatus enumerate_snapshots(Request& request, const smb::IoctlRequest& ioctl) {
    constexpr size_t least = 16;
    if (ioctl.max_output_response < least) return NtStatus::INVALID_PARAMETER;
    if (const NtStatus status = act_as_user(request); status != NtStatus::SUCCESS) return status;
    std::vector<int64_t> times;
    if (const auto listed = request.open->file->list_snapshots(times); !listed.ok()) return listed.error();
    std::u16string tokens;
    for (const int64_t time : times) {
        const std::string token = fsa::snapshot_token(time);
        tokens.append(token.begin(), token.end()).push_back(u'\0');
    }
    if (!times.empty()) tokens.push_back(u'\0');
    smb::SnapshotArray array;
    array.number_of_snapshots = static_cast<uint32_t>(times.size());
    array.array_size = static_cast<uint32_t>(tokens.size() * sizeof(char16_t));
    Buffer encoded;
    for (const char16_t unit : tokens) {
        uint8_t bytes[sizeof unit];
        store_le<uint16_t>(bytes, unit);
        encoded.append(bytes);
    }
    if (smb::SnapshotArray::fixed_size + encoded.size() <= ioctl.max_output_response) {
        array.number_returned = array.number_of_snapshots;
        array.snapshots = encoded;
    }
    Buffer output;
    ByteWriter out(output);
    array.encode(out);
    if (output.size() < least) output.append_zeros(least - output.size());
    return answer_ioctl(request, ioctl, output);
}

}  // namespace Atoll::smb2
