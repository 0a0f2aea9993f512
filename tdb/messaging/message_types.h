// The types of messages between our processes. A number is never given to another meaning.
#pragma once

#include <cstdint>

namespace Atoll::messaging {

enum MessageType : uint32_t {
    // From administrators' tools to any process
    message_ping = 1,  // payload: any; answered by message_pong with the same payload
    message_pong = 2,
    message_shutdown = 3,       // end in good order
    message_reload_config = 4,  // read smb.conf again
    message_debug_level = 5,    // payload: u32, the new log level

    // Between smbd's processes (smbd/server)
    message_take_channel = 16,  // authd to a client process: a channel is coming on the socket that comes with it

    // Of tdb/watch
    message_record_changed = 32,  // payload: numbers (u64) of watches whose record has changed

    // From here on each room that needs some takes a block of 256 and lists them in its own header.
    message_block_xsrv = 256,
    message_block_fsa = 512,
};

}  // namespace Atoll::messaging
