// What smbcontrol(1) tells and asks processes of the server, besides the first numbers of message_types.h. Names are of at most
// limits::max_control_text bytes, UTF-8, without NUL.
#pragma once

#include <cstddef>
#include <cstdint>

namespace Atoll::messaging {

constexpr uint32_t message_block_control = 768;  // of 256, as message_types.h gives them to rooms

enum ControlMessage : uint32_t {
    // To the listener, which tells its client processes, or to one of these. Payload: the name of a share, "*" all of them.
    message_close_share = message_block_control,             // its tree connects end
    message_close_denied_share = message_block_control + 1,  // those of users whom smb.conf lets in no longer
    // The same; payload: an address, as inet_ntop writes it.
    message_kill_client_ip = message_block_control + 2,

    // Questions, and their answers to the asker
    message_ask_debug_level = message_block_control + 3,   // to any process; no payload
    message_tell_debug_level = message_block_control + 4,  // payload: text, "all:1"
    message_ask_children = message_block_control + 5,      // to the listener; no payload
    message_tell_children = message_block_control + 6,     // payload: u32, the client processes that serve somebody
    message_upgrade = message_block_control + 7,           // to the listener: start the program as it is now, for new connections
    message_upgraded = message_block_control + 8,          // payload: text, empty if it serves, else why it does not
};

}  // namespace Atoll::messaging

namespace Atoll::limits {

constexpr size_t max_control_text = 1024;

}  // namespace Atoll::limits
