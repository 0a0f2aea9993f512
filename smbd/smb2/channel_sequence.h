// The channel sequence number and the counters of an open's outstanding requests (MS-SMB2 3.3.1.10, 3.3.5.2.10): a request that comes again
// on another channel must not be done while it, or what was sent before it on a channel that is lost, may still be under way.
#pragma once

#include <cstdint>
#include <optional>

namespace Atoll::xsrv {
class Open;
}

namespace Atoll::smb2 {

// A request that names the open has come. It is counted until uncount_request(), which is given the open's channel_sequence_changes that this
// returns. Nothing: a WRITE, SET_INFO or IOCTL is refused with FILE_NOT_AVAILABLE; others are served, uncounted.
std::optional<uint64_t> count_request(xsrv::Open& open, uint16_t sequence, bool is_replay);
// One that is counted has been answered (MS-SMB2 3.3.4.1).
void uncount_request(xsrv::Open& open, uint64_t counted_at);

}  // namespace Atoll::smb2
