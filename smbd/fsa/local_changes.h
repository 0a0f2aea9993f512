// What programs on this machine change in directories that clients watch: heard of from the kernel and reported as our own changes are
// (`kernel change notify`). One process of the node does it, the housekeeper. In a cluster each node's does: it watches what clients of all
// nodes watch, for programs on its machine alone are seen by its kernel, and tells whoever watches, on whatever node.
//
// By fanotify where we may (CAP_SYS_ADMIN) and the file system has file handles. Its events name the process that made the change: what
// our own processes change they report themselves, and it is passed over here, so that nothing is told twice. A directory that is watched
// with its tree has its whole file system marked, for the kernel knows no trees; others are marked alone.
//
// Elsewhere by inotify (an unprivileged server, FUSE): a watch for the directory, or for each of its tree, of which there is a limit. Its
// events name nobody. So our processes tell this one what they change (message_own_change), and a change is reported only if none of them
// has told of it after limits::local_change_delay. What they do not tell of one by one, the second and later writes through one open, may
// be told as a local program's.
//
// Where neither works local changes go unseen, with a line in the log. Main thread only.
#pragma once

#include <functional>
#include <memory>
#include <set>

#include "base/loop/loop.h"
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
        bool by_fanotify = true;                            // where the kernel lets us
    };
    // From now on asks to look at watches (smbd/fsa/notify_messages.h) come here; directories that are watched already are looked at.
    static std::unique_ptr<LocalChanges> start(Params params);
    virtual ~LocalChanges() = default;

    // Processes of ours have ended: before they count as strangers, and their watches go.
    virtual void processes_ended(const messaging::ServerIds& processes) = 0;
};

}  // namespace Atoll::fsa
