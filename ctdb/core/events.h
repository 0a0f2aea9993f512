// Events in, actions out. The core reads no clock: each event comes with the node's time (Core::handle).
#pragma once

#include <optional>
#include <variant>

#include "ctdb/core/config.h"
#include "ctdb/core/persistent_store.h"
#include "ctdb/core/types.h"

namespace Atoll::ctdb {

struct Ticked {};  // at least every Config::tick
// From the listed node that it names; may be lost, late, doubled, out of order.
struct Received {
    protocol::message message;
};
// `term` is higher than at any earlier taking; what the register holds.
struct LockTaken {
    Term term = 0;
    std::optional<protocol::view> stored;
};
struct LockRefused {};
// Answers CheckLock.
struct LockChecked {
    Term term = 0;
    Time asked = 0;
    bool held = false;
};
// Answers WriteRegister; not ok: the lock is not ours any more.
struct RegisterWritten {
    ViewId id = 0;
    bool ok = false;
};
// Answers WriteBallot. Not ok: the disk is as it was.
struct BallotWritten {
    bool ok = false;
};
// Its supervisor says that nothing of it serves any more.
struct PeerEnded {
    Pnn pnn = 0;
    uint64_t incarnation = 0;
};
struct Monitored {
    bool healthy = true;
};
// NODE_DISABLED, NODE_STOPPED, NODE_NO_SLOTS or NODE_NO_LEAD.
struct AdministratorSet {
    node_flags flag = node_flags::none;
    bool on = false;
};
// The node keeps out of the cluster for so long, whatever the leader thinks of it; 0: no longer.
struct AdministratorBanned {
    Time duration = 0;
};
// To the leader: it forgets what it holds against the node, and its ban. Nothing elsewhere.
struct BanPardoned {
    Pnn pnn = 0;
};
// It found that it may not use the record by itself.
struct ClientWants {
    Client client = 0;
    RecordKey key;
};
// It would only read a record of which it found no copy that it may read. Answered by RecordReadable.
struct ClientReads {
    Client client = 0;
    RecordKey key;
};
// After it cleared Copy::holder.
struct ClientReleased {
    RecordKey key;
};
// It has stored a mirrored record that it holds, and waits for RecordMirrored.
struct ClientStored {
    Client client = 0;
    RecordKey key;
};
// The locks that it held have been cleared.
struct ClientGone {
    Client client = 0;
};
// Answers ReleaseAddress.
struct AddressReleased {
    AddressId address = 0;
};
// Which public addresses the node can hold from now on, rising. One that it holds and does not name is taken from it.
struct AddressesOffered {
    std::vector<AddressId> addresses;
};
// To the leader: the address goes to that node if it can hold it, whatever balance asks for, and stays as long as it can. Nothing
// elsewhere.
struct AddressAssigned {
    AddressId address = 0;
    Pnn pnn = 0;
};
// To the leader: what was assigned is forgotten.
struct AddressesBalanced {};
// The nodes that are listed from now on, rising, this one among them. One that is gone is no member.
struct NodesListed {
    std::vector<Pnn> nodes;
};
// The newest format level that all processes of this node read.
struct LevelRead {
    uint32_t newest = 1;
};
struct PolicySet {
    Policy policy;
};
// To the leader: every slot is recovered. Nothing elsewhere.
struct RecoveryForced {};
// A client of this node commits, having read at the sequence number `base` (ANY_SEQUENCE: whatever it is). `client` names this transaction.
struct ClientCommits {
    Client client = 0;
    DatabaseId database = 0;
    int64_t base = protocol::ANY_SEQUENCE;
    Writes writes;
};
// Answers WritePersistent. Not ok: the disk is as it was.
struct PersistentWritten {
    uint64_t ticket = 0;
    bool ok = false;
};

using Event = std::variant<Ticked, Received, LockTaken, LockRefused, LockChecked, RegisterWritten, BallotWritten, PeerEnded, Monitored,
                           AdministratorSet, AdministratorBanned, BanPardoned, ClientWants, ClientReads, ClientReleased, ClientStored,
                           ClientGone, AddressReleased, AddressesOffered, AddressAssigned, AddressesBalanced, NodesListed, LevelRead,
                           PolicySet, RecoveryForced, ClientCommits, PersistentWritten>;

// Keepalives, leases, expulsions and views on a path that frames cannot delay.
struct Send {
    protocol::message message;
};
struct TakeLock {};  // answered by LockTaken or LockRefused
struct CheckLock {
    Term term = 0;
    Time asked = 0;
};
struct ReleaseLock {};
// Durable before it is answered, and refused unless `term` holds the lock.
struct WriteRegister {
    Term term = 0;
    protocol::view view;
};
// Where there is no cluster lock: durable, and as a whole, before it is answered. One at a time.
struct WriteBallot {
    protocol::ballot ballot;
};
// Copy::holder is the client: it has the lock.
struct GrantRecord {
    Client client = 0;
    RecordKey key;
};
// Answers ClientReads: there is a copy now, which may be gone again when the client looks; or the record has to come (ClientWants).
struct RecordReadable {
    Client client = 0;
    RecordKey key;
    bool readable = false;
};
// Answers ClientStored: a second member has the copy, or there is none. Not answered when the session ends before.
struct RecordMirrored {
    Client client = 0;
    RecordKey key;
};
struct EndClients {};  // the session ended: every client of the node loses its locks
struct TakeAddress {
    AddressId address = 0;
};
struct ReleaseAddress {
    AddressId address = 0;
};
// Durable, and as a whole, before it is answered. Those of a node are done in the order of their tickets.
struct WritePersistent {
    uint64_t ticket = 0;
    PersistentWrite kind = PersistentWrite::add;
    holding after;  // what the disk has then
    Writes writes;
};
// Answers ClientCommits. `seqnum`: of the database, where it is known.
struct TransactionDone {
    Client client = 0;
    protocol::transaction_result result = protocol::transaction_result::UNKNOWN;
    uint64_t seqnum = 0;
};

using Action = std::variant<Send, TakeLock, CheckLock, ReleaseLock, WriteRegister, WriteBallot, GrantRecord, RecordReadable, RecordMirrored,
                            EndClients, TakeAddress, ReleaseAddress, WritePersistent, TransactionDone>;

}  // namespace Atoll::ctdb
