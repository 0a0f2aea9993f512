// How frames are told apart in what a client sends before log-on: direct TCP (MS-SMB2 2.1) and the NetBIOS session service (RFC 1002
// 4.3), one at a time, from a buffer. Pure functions of their arguments.
#pragma once

#include "base/buffer.h"

namespace Atoll::server {

struct FramePeek {
    enum class Kind : uint8_t {
        incomplete,       // more bytes are needed
        message,          // `frame` is a whole SMB message
        keep_alive,       // NetBIOS: nothing to do
        session_request,  // NetBIOS: `frame` is what answer_to() answers
        bad,              // not a frame, or too large: the connection ends
    };
    Kind kind = Kind::incomplete;
    Bytes frame;      // of a message or a session request, without its header; points into the received bytes
    size_t size = 0;  // bytes that the whole of it takes, transport header included
};

// `netbios`: the connection came to a NetBIOS session port, so lengths have 17 bits and other packet types may come.
FramePeek peek_frame(Bytes received, bool netbios);

// The answer to a session request (RFC 1002 4.3.3, 4.3.4), with its header. Whatever server is called it is this one; a request that does
// not hold two names is refused.
struct SessionAnswer {
    Bytes response;
    bool positive = false;  // otherwise the connection ends
};
SessionAnswer answer_to(Bytes request);

}  // namespace Atoll::server
