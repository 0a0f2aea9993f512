// What every process of smbd does with the messages of administrators' tools.
#pragma once

#include <functional>

#include "tdb/messaging/messaging.h"

namespace Atoll::server {

// Answers pings, sets the log level, calls `reload` for a new smb.conf.
void receive_common_messages(messaging::Messaging& messaging, std::function<void()> reload);

}  // namespace Atoll::server
