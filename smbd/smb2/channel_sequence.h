// The channel sequence number and the counters of an open's outstanding requests (MS-SMB2 3.3.1.10, 3.3.5.2.10): a request that comes again
// on another channel must not be done while it, or what was sent before it on a channel that is lost, may still be under way.
#pragma once

#include <cstdint>

namespace Atoll::xsrv {
class Open;
}

namespace Atoll::smb2 {

// A request that names the open has come. True: it is counted, until uncount_request(). False: a WRITE, SET_INFO or IOCTL is refused with
// FILE_NOT_AVAILABLE; others are served, uncounted.
bool count_request(xsrv::Open& open, uint16_t sequence, bool is_replay);
// One that is counted has been answered (MS-SMB2 3.3.4.1).
void uncount_request(xsrv::Open& open, uint16_t sequence);

}  // namespace Atoll::smb2
