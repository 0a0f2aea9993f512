// Messages about sessions and their opens (tdb/messaging/message_types.h, message_block_xsrv).
#pragma once

#include "tdb/messaging/message_types.h"

namespace Atoll::xsrv {

enum MessageType : uint32_t {
    message_end_session = messaging::message_block_xsrv,  // payload: u64, the session that its process is to end
};

}  // namespace Atoll::xsrv
