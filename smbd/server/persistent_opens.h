// The housekeeper's part of persistent handles (smbd/xsrv/persistent.h): at the start of a server they are put back into tables that have
// lost them, and what is left on the disk of opens that have ended goes. Main thread only.
#pragma once

#include <functional>

#include "base/loop/loop.h"
#include "smbd/fsa/fsa.h"
#include "smbd/server/limits.h"
#include "smbd/xsrv/persistent.h"
#include "smbd/xsrv/tables.h"

namespace Atoll::server {

class PersistentOpens {
 public:
    PersistentOpens(loop::Loop& loop, xsrv::Tables& tables, fsa::FileSystem& files, committer::DurableStore& durable)
        : tables_(tables), files_(files), state_(durable), timer_(loop, [this] { drop_old_intents(); }) {
        timer_.set_in(limits::create_intent_sweep);
    }

    // Enters those that the tables do not have, as nobody's, their time beginning now; after what is left of the former server's tables has
    // been put back. Before anybody is served. Reads all that is on the disk.
    void restore();
    // Processes have been killed, and the tables say what outlives them: what they closed before they could commit that goes. Reads the
    // same, once.
    void processes_ended(const messaging::ServerIds& ended);
    // In a cluster, where the tables outlive a node and not everything that was in them: enters those that they do not have and whose
    // owners do not exist any more. `restored` is told of each that waits for its client then. Reads what all nodes have of the disk; other
    // nodes may do the same at the same time.
    using Exists = std::function<bool(const messaging::ServerId&)>;
    Result<void> restore_lost(const Exists& exists, const std::function<void(uint64_t persistent_id)>& restored);
    // Before anybody of this node is served: what is on the disk of opens that have ended goes.
    Result<void> drop_unused();
    // Takes an open whose client did not come back from the disk (Scavenger::EndOnDisk).
    void end(const xsrv::open_global& record, std::function<void(bool done)> then);

 private:
    bool enter(xsrv::open_global& record);
    void look_again(const xsrv::open_global& record);
    void drop_old_intents();
    void drop_unused_files(const std::vector<fsa::FileId>& used);
    void drop_unused_locks(const std::vector<xsrv::open_global>& records);
    void submit(const committer::Batch& batch);

    xsrv::Tables& tables_;
    fsa::FileSystem& files_;
    xsrv::PersistentState state_;
    loop::Timer timer_;
};

}  // namespace Atoll::server
