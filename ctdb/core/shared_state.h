// What the daemon and the node's clients both see, in shared memory: the node lease, the gates of the slots, the records. A client that
// finds that it may use a record does so without asking anybody; these rules are here so that the simulator interleaves them with
// everything else.
#pragma once

#include <functional>
#include <optional>
#include <span>

#include "base/shared_word.h"
#include "ctdb/core/types.h"

namespace Atoll::ctdb {

// The node serves until `deadline` of its own clock, which no event of the core extends unnoticed: a client compares it each time.
struct NodeLease {
    Shared<Time> deadline;
    Shared<Session> session;
};

// Closed while the slot is being recovered, and until its epoch is known.
struct SlotGate {
    Shared<Epoch> epoch;
    Shared<bool> open;
    Shared<bool> located;  // by this node
};

// A node's copy of a record. Only the dmaster's may be changed, and that or a delegated one read; others wait for a recovery to ask for
// them.
struct CopyHead {
    uint64_t rsn = 0;        // rises when the record gets a new dmaster, and when copies of it that others read have been revoked
    uint64_t sequence = 0;   // of a mirrored record: rises with each store; 0: it is none
    bool dmaster = false;    // this node is
    bool wanted = false;     // clients or a recall wait in the daemon: no client takes the record by itself, and who releases it says so
    bool delegated = false;  // the dmaster's: others read copies of it, and nobody locks it; another's: it is such a copy
    Client holder = 0;       // the client that has locked it; 0: nobody

    bool operator==(const CopyHead&) const = default;
};
struct Copy : CopyHead {
    Value value;

    bool operator==(const Copy&) const = default;
};

// The records of a node. Each call is made under the record's chain lock, and none keeps it.
class RecordStore {
 public:
    virtual ~RecordStore() = default;
    [[nodiscard]] virtual Slot slot_of(const RecordKey& key) const = 0;
    virtual bool read(const RecordKey& key, Copy& copy) const = 0;  // false: there is none
    virtual void write(const RecordKey& key, const Copy& copy) = 0;
    // Writes `next` if the copy is `seen` still, and says so: whoever decides by a copy that clients may change meanwhile, and theirs is
    // every dmaster's copy behind an open gate, has to look again otherwise.
    virtual bool replace(const RecordKey& key, const Copy& seen, const Copy& next) {
        (void)seen;
        write(key, next);
        return true;
    }
    // Likewise takes the copy away.
    virtual bool remove(const RecordKey& key, const Copy& seen) = 0;
    // By rising key. `visit` changes no record.
    virtual void each(Slot slot, const std::function<void(const RecordKey&, const Copy&)>& visit) const = 0;
    // Of those all that are mirrored, and perhaps others.
    virtual void each_mirrored(Slot slot, const std::function<void(const RecordKey&, const Copy&)>& visit) const { each(slot, visit); }
    virtual void clear() = 0;
    // What an administrator has allowed for the record's database: copies that others read; that a record stays which moves too often.
    [[nodiscard]] virtual bool lends(const RecordKey&) const { return false; }
    [[nodiscard]] virtual bool sticks(const RecordKey&) const { return false; }
};

struct SharedState {
    SharedState(NodeLease& its_lease, std::span<SlotGate> its_gates, RecordStore& store)
        : lease(its_lease), gates(its_gates), records(store) {}
    NodeLease& lease;
    std::span<SlotGate> gates;
    RecordStore& records;
};

inline bool lease_holds(const NodeLease& lease, Time now) { return lease.session != 0 && now < lease.deadline; }

// The local-dmaster check: may a client lock the record without the daemon?
inline bool may_use_locally(const CopyHead& copy, const SlotGate& gate, const NodeLease& lease, Time now) {
    return lease_holds(lease, now) && gate.open && copy.dmaster && !copy.wanted && !copy.delegated && copy.holder == 0;
}

// May a client read it as it is? Asked under the chain lock, and for that moment only; the lease has to hold.
inline bool is_readable(const CopyHead& copy, const SlotGate& gate) { return gate.open && (copy.dmaster || copy.delegated); }
inline bool may_read_locally(const CopyHead& copy, const SlotGate& gate, const NodeLease& lease, Time now) {
    return lease_holds(lease, now) && is_readable(copy, gate);
}

// May a client that locked the record in `session` still change it? Asked under the chain lock, right before the store.
inline bool may_commit(const CopyHead& copy, Client client, Session session, const NodeLease& lease, Time now) {
    return lease_holds(lease, now) && lease.session == session && copy.dmaster && copy.holder == client;
}

// A mirrored record is stored with the next sequence, and ClientStored follows. The store counts once ctdbd has answered it
// (RecordMirrored) and the lease still holds in the session in which the record was locked; until then the record stays locked.

// Must the client that released the record tell the daemon?
inline bool release_is_awaited(const CopyHead& copy, const SlotGate& gate) { return copy.wanted || !gate.open; }

}  // namespace Atoll::ctdb
