// What programs on this machine change in directories that clients watch: seen by the kernel's fanotify and reported as our own changes are
// (`kernel change notify`). One process of the node does it, the housekeeper.
//
// Each event names the process that made the change: what our own processes change they report themselves, and it is passed over here, so
// that nothing is told twice. A directory that is watched with its tree has its whole file system marked, for the kernel knows no trees;
// others are marked alone. Needs CAP_SYS_ADMIN and a file system with file handles; else local changes go unseen, with a line in the log.
// Main thread only.
#pragma once

#include <functional>
#include <memory>
#include <set>

#include "base/loop/loop.h"
#include "base/result.h"
#include "tdb/database.h"
#include "tdb/messaging/messaging.h"

namespace Atoll::fsa {

class LocalChanges {
 public:
    struct Params {
        loop::Loop& loop;
        messaging::Messaging& messaging;
        tdb::Database& notify_index;
        std::function<std::set<uint64_t>()> own_processes;  // pids of all processes that report their changes themselves
    };
    // From now on asks to look at watches (smbd/fsa/notify_messages.h) come here; directories that are watched already are looked at.
    // Code::unsupported: the kernel does not let us.
    static Result<std::unique_ptr<LocalChanges>> start(Params params);
    virtual ~LocalChanges() = default;

    // A process of ours has ended: before it counts as a stranger, and its watches go.
    virtual void process_ended(const messaging::ServerId& process) = 0;
};

}  // namespace Atoll::fsa
