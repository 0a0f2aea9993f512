// The persistent databases of a node: replica, submitter and, where the view says so, coordinator. docs/cluster.md, "Persistent databases".
#pragma once

#include "ctdb/core/membership.h"
#include "ctdb/core/persistent_coordinator.h"
#include "ctdb/core/persistent_replica.h"
#include "ctdb/core/persistent_submitter.h"

namespace Atoll::ctdb {

class Persistent {
 public:
    Persistent(Context& context, SlotTransport& transport, const PersistentStore& store, Membership& membership);

    void view_accepted();
    void session_ended();
    // Of the persistent databases' messages; others it leaves alone.
    void receive(Pnn from, protocol::slot_message& message);
    void client_commits(Client client, DatabaseId database, int64_t base, Writes writes) {
        submitter_.client_commits(client, database, base, std::move(writes));
    }
    void written(uint64_t ticket, bool ok) { replica_.written(ticket, ok); }
    void tick() { replica_.tick(); }

    [[nodiscard]] const PersistentReplica& replica() const { return replica_; }
    [[nodiscard]] const PersistentCoordinator& coordinator() const { return coordinator_; }

 private:
    PersistentSubmitter submitter_;
    PersistentCoordinator coordinator_;
    PersistentReplica replica_;
};

}  // namespace Atoll::ctdb
