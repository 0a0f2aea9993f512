#include "smbd/smb2/channel_sequence.h"

#include "base/assert.h"
#include "smbd/xsrv/open.h"

namespace Atoll::smb2 {

bool count_request(xsrv::Open& open, uint16_t sequence, bool is_replay) {
    const auto ahead = static_cast<uint16_t>(sequence - open.channel_sequence);
    if (ahead > 0x7FFF) return false;
    if (ahead != 0) {
        open.outstanding_pre_requests += open.outstanding_requests;
        open.outstanding_requests = 0;
        open.channel_sequence = sequence;
    }
    if (is_replay && open.outstanding_pre_requests != 0) return false;
    open.outstanding_requests++;
    return true;
}

void uncount_request(xsrv::Open& open, uint16_t sequence) {
    uint32_t& counter = sequence == open.channel_sequence ? open.outstanding_requests : open.outstanding_pre_requests;
    ATOLL_ASSERT(counter > 0);
    counter--;
}

}  // namespace Atoll::smb2
