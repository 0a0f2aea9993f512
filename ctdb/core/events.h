// Events in, actions out. The core reads no clock: each event comes with the node's time (Core::handle).
#pragma once

#include <optional>
#include <variant>

#include "ctdb/core/types.h"

namespace Atoll::ctdb {

struct Ticked {};  // at least every Config::tick
struct Received {
    protocol::message message;
};  // from the listed node that it names; may be lost, late, doubled, out of order
struct LockTaken {
    Term term;
    std::optional<protocol::view> stored;
};  // `term` is higher than at any earlier taking; what the register holds
struct LockRefused {};
struct LockChecked {
    Term term;
    Time asked;
    bool held;
};  // answers CheckLock
struct RegisterWritten {
    ViewId id;
    bool ok;
};  // answers WriteRegister; not ok: the lock is not ours any more
struct PeerEnded {
    Pnn pnn;
    uint64_t incarnation;
};  // its supervisor says that nothing of it serves any more
struct Monitored {
    bool healthy;
};
struct AdministratorSet {
    node_flags flag;
    bool on;
};  // NODE_DISABLED or NODE_STOPPED
struct ClientWants {
    Client client;
    RecordKey key;
};  // it found that it may not use the record by itself
struct ClientReleased {
    RecordKey key;
};  // after it cleared Copy::holder
struct ClientGone {
    Client client;
};  // the locks that it held have been cleared
struct AddressReleased {
    uint32_t address;
};  // answers ReleaseAddress

using Event = std::variant<Ticked, Received, LockTaken, LockRefused, LockChecked, RegisterWritten, PeerEnded, Monitored, AdministratorSet,
                           ClientWants, ClientReleased, ClientGone, AddressReleased>;

struct Send {
    protocol::message message;
};                   // keepalives, leases, expulsions and views on a path that frames cannot delay
struct TakeLock {};  // answered by LockTaken or LockRefused
struct CheckLock {
    Term term;
    Time asked;
};
struct ReleaseLock {};
struct WriteRegister {
    Term term;
    protocol::view view;
};  // durable before it is answered, and refused unless `term` holds the lock
struct GrantRecord {
    Client client;
    RecordKey key;
};                     // Copy::holder is the client: it has the lock
struct EndClients {};  // the session ended: every client of the node loses its locks
struct TakeAddress {
    uint32_t address;
};
struct ReleaseAddress {
    uint32_t address;
};

using Action = std::variant<Send, TakeLock, CheckLock, ReleaseLock, WriteRegister, GrantRecord, EndClients, TakeAddress, ReleaseAddress>;

}  // namespace Atoll::ctdb
