// NEGOTIATE (MS-SMB2 3.3.5.3, 3.3.5.4) as a pure function: bytes and policy in, bytes and channel state out.
// Runs in preauth, without privileges and without secrets; nothing here does I/O.
#pragma once

#include <cstdint>
#include <vector>

#include "base/buffer.h"
#include "base/guid.h"
#include "base/nt_status.h"
#include "base/time.h"
#include "conf/configuration.h"
#include "smbd/smb2/channel.h"

namespace Atoll::smb2 {

struct NegotiatePolicy {
    uint16_t min_dialect = 0x0202;
    uint16_t max_dialect = 0x0311;
    bool signing_required = false;
    bool encryption_offered = true;
    bool leasing = false;
    bool persistent_handles = false;
    bool multi_channel = false;
    std::vector<uint16_t> ciphers;             // in order of preference
    std::vector<uint16_t> signing_algorithms;  // in order of preference
    uint32_t max_transact = 0;
    uint32_t max_read = 0;
    uint32_t max_write = 0;
    Guid server_guid;
};

// The policy that a configuration asks for: server min/max protocol, server signing, server smb encrypt, ... A changed configuration
// holds for connections negotiated afterwards.
NegotiatePolicy negotiate_policy(const conf::Configuration& configuration, const Guid& server_guid);

// True if the frame is one that negotiate() answers: an SMB1 NEGOTIATE (only as the first frame) or an SMB2 NEGOTIATE.
bool is_negotiate(Bytes frame);

enum class NegotiateResult {
    answered,    // `response` is to be sent; channel.dialect tells whether another NEGOTIATE must follow (0x02FF)
    disconnect,  // nothing is sent and the connection ends
};

// `frame` is one whole message without its transport header. Appends the whole response message to `response`. `security_blob` is the
// SPNEGO hint that the response carries. An error response counts as answered and leaves channel.dialect at 0.
NegotiateResult negotiate(Bytes frame, const NegotiatePolicy& policy, Bytes security_blob, NtTime now, ChannelState& channel,
                          Buffer& response);

}  // namespace Atoll::smb2
