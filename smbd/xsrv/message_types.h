// Messages between client processes about their sessions and opens (tdb/messaging/message_types.h, message_block_xsrv). Payload: the
// identifier, 8 bytes, little-endian; several where it says so.
#pragma once

#include "tdb/messaging/message_types.h"

namespace Atoll::xsrv {

enum MessageType : uint32_t {
    message_end_session = messaging::message_block_xsrv,  // a session id: end it as LOGOFF would (MS-SMB2 3.3.5.5.3, MS-SRVS 3.1.4.6)
    message_close_open = messaging::message_block_xsrv + 1,  // a persistent file id: close it as CLOSE would (MS-SRVS 3.1.4.4)
    message_open_disconnected =
        messaging::message_block_xsrv + 2,  // to the housekeeper, persistent file ids: their client is away from now on
    message_client_moves = messaging::message_block_xsrv + 3,  // nothing: its client is at another node now, and its connections are to end
};

}  // namespace Atoll::xsrv
