// SESSION_SETUP and LOGOFF (MS-SMB2 2.2.5 to 2.2.8), and the bodies of four bytes. Conventions: libcli/smb/header.h.
#pragma once

#include "libcli/smb/header.h"

namespace Atoll::smb {

// The four-byte body of LOGOFF, TREE_DISCONNECT, ECHO (both ways), CANCEL, and the responses of FLUSH and LOCK
// (MS-SMB2 2.2.7, 2.2.8, 2.2.11, 2.2.12, 2.2.18, 2.2.27 to 2.2.30).
struct EmptyMessage {
    static constexpr uint16_t structure_size = 4;
    static Result<EmptyMessage, NtStatus> decode(Bytes message);  // INVALID_PARAMETER
    void encode(ByteWriter& out) const;
};

namespace session_setup_flags {  // request, MS-SMB2 2.2.5
constexpr uint8_t binding = 0x01;
}
namespace session_flags {  // response, MS-SMB2 2.2.6
constexpr uint16_t is_guest = 0x0001;
constexpr uint16_t is_null = 0x0002;
constexpr uint16_t encrypt_data = 0x0004;
}  // namespace session_flags

struct SessionSetupRequest {
    static constexpr uint16_t structure_size = 25;
    uint8_t flags = 0;
    uint8_t security_mode = 0;
    uint32_t capabilities = 0;
    uint64_t previous_session_id = 0;
    Bytes security_buffer;  // at most limits::max_security_blob, else INVALID_PARAMETER

    static Result<SessionSetupRequest, NtStatus> decode(Bytes message);
    void encode(ByteWriter& out) const;
};

struct SessionSetupResponse {
    static constexpr uint16_t structure_size = 9;
    uint16_t session_flags = 0;
    Bytes security_buffer;

    static Result<SessionSetupResponse, NtStatus> decode(Bytes message);  // INVALID_NETWORK_RESPONSE
    void encode(ByteWriter& out) const;
};

// SERVER_TO_CLIENT_NOTIFICATION with the only type there is, NotifySessionClosed (MS-SMB2 2.2.44).
struct ServerToClientNotification {
    static constexpr uint16_t structure_size = 4;
    static constexpr uint32_t notify_session_closed = 0;
    uint32_t type = notify_session_closed;

    static Result<ServerToClientNotification, NtStatus> decode(Bytes message);  // INVALID_NETWORK_RESPONSE
    void encode(ByteWriter& out) const;
};

}  // namespace Atoll::smb
