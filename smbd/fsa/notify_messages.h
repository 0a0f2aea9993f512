// Messages about changes (tdb/messaging/message_types.h, message_block_fsa).
#pragma once

#include "tdb/messaging/message_types.h"

namespace Atoll::fsa {

enum NotifyMessage : uint32_t {
    message_notify = messaging::message_block_fsa + 64,  // a notify_told
    // To the local watcher, a look_at_watches: somebody begins or ends to watch a directory. It answers with message_watched, the same
    // payload, when changes that are made locally are seen as the record of notify_index wants it. May be asked again.
    message_look_at_watches = messaging::message_block_fsa + 65,
    message_watched = messaging::message_block_fsa + 66,
    // To the local watcher, if it wants that (notify_state): a notify_told of what the sender changes, watched or not, without watches.
    message_own_change = messaging::message_block_fsa + 67,
};

}  // namespace Atoll::fsa
