// What a file is beside its data: FSCTL_GET_COMPRESSION, FSCTL_SET_COMPRESSION.
#include "libcli/smb/ioctl.h"
#include "smbd/smb2/acting.h"
#include "smbd/smb2/ioctl.h"
#include "smbd/smb2/request.h"

namespace Atoll::smb2 {
namespace {

using smb::IoctlRequest;

// MS-FSCC 2.3.18
constexpr uint16_t compression_none = 0, compression_lznt1 = 2;

}  // namespace

NtStatus get_compression(Request& request, const IoctlRequest& ioctl) {
    std::array<uint8_t, 2> state;
    if (const NtStatus status = act_as_user(request); status != NtStatus::SUCCESS) return status;
    const auto compressed = request.open->file->is_compressed();
    if (!compressed.ok()) return compressed.error();
    if (ioctl.max_output_response < state.size()) return NtStatus::INVALID_PARAMETER;
    store_le(state.data(), *compressed ? compression_lznt1 : compression_none);
    return answer_ioctl(request, ioctl, state);
}

NtStatus set_compression(Request& request, const IoctlRequest& ioctl) {
    ByteReader in(ioctl.input);
    const uint16_t state = in.u16();
    if (!in.ok() || state > compression_lznt1) return NtStatus::INVALID_PARAMETER;
    if (const NtStatus status = act_as_user(request); status != NtStatus::SUCCESS) return status;
    const auto set = request.open->file->set_compressed(state != compression_none);
    return set.ok() ? answer_ioctl(request, ioctl, {}) : set.error();
}

}  // namespace Atoll::smb2
