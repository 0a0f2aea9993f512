// What every process of smbd does with the messages of administrators' tools (smbcontrol(1); tdb/messaging/control_messages.h).
#pragma once

#include <functional>
#include <optional>

#include "base/buffer.h"
#include "tdb/messaging/messaging.h"

namespace Atoll::server {

// Answers pings and questions for the log level, sets it, calls `reload` for a new smb.conf.
void receive_common_messages(messaging::Messaging& messaging, std::function<void()> reload);

// The answer to a question that each process has its own answer to; the listener, which has a mailbox alone, uses it too.
struct CommonAnswer {
    uint32_t type = 0;
    Buffer payload;
};
std::optional<CommonAnswer> answer_of_any_process(const messaging::Message& message);
// Of message_debug_level; what is no level changes nothing.
void set_log_level_by(const messaging::Message& message);

}  // namespace Atoll::server
