#include "smbd/smb2/channel_sequence.h"

#include "base/assert.h"
#include "smbd/xsrv/open.h"

namespace Atoll::smb2 {

std::optional<uint64_t> count_request(xsrv::Open& open, uint16_t sequence, bool is_replay) {
    const auto ahead = static_cast<uint16_t>(sequence - open.channel_sequence);
    if (ahead > 0x7FFF) return std::nullopt;
    if (ahead != 0) {
        open.outstanding_pre_requests += open.outstanding_requests;
        open.outstanding_requests = 0;
        open.channel_sequence = sequence;
        open.channel_sequence_changes++;
    }
    if (is_replay && open.outstanding_pre_requests != 0) return std::nullopt;
    open.outstanding_requests++;
    return open.channel_sequence_changes;
}

void uncount_request(xsrv::Open& open, uint64_t counted_at) {
    uint32_t& counter = counted_at == open.channel_sequence_changes ? open.outstanding_requests : open.outstanding_pre_requests;
    ATOLL_ASSERT(counter > 0);
    counter--;
}

}  // namespace Atoll::smb2
