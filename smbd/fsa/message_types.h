// Messages from fsa to fsa, in the block of tdb/messaging/message_types.h.
#pragma once

#include "tdb/messaging/message_types.h"

namespace Atoll::fsa {

enum MessageType : uint32_t {
    message_caching_breaks = messaging::message_block_fsa,  // a caching_break (leases.idl): an oplock or lease of the receiver breaks
};

}  // namespace Atoll::fsa
