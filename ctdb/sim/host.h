// A machine of the simulated cluster: its clock, its shared memory, its ctdbd (a core), its clients.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>

#include "ctdb/core/core.h"
#include "ctdb/sim/disk.h"
#include "ctdb/sim/memory_store.h"
#include "ctdb/sim/options.h"

namespace Atoll::ctdb::sim {

struct Worker {
    enum class State { idle, waiting, holding, mirroring };  // mirroring: has stored, and waits for the mirror
    State state = State::idle;
    RecordKey key;
    Session session = 0;  // in which it locked the record
    uint64_t value = 0;   // that it read, then that it stored; a removal has a number too
    uint64_t turn = 0;    // rises with each change of state: what was meant for an earlier one is void
    uint64_t done = 0;    // changes that it made
};

// A client that only reads records.
struct Reader {
    bool waits = false;
    RecordKey key;
    uint64_t turn = 0;  // as of a worker
    uint64_t done = 0;  // records that it has read, or found that it would have to ask for
};

// A client that runs transactions.
struct Writer {
    bool waits = false;
    Client client = 0;   // the transaction that it waits for
    uint64_t stamp = 0;  // what that writes
    uint64_t turn = 0;   // as of a worker
    uint64_t done = 0;   // transactions that were committed
};

struct Host {
    Host(uint32_t slots, size_t workers_count, size_t readers_count, size_t writers_count)
        : store(slots), gates(slots), shared(lease, gates, store), workers(workers_count), readers(readers_count), writers(writers_count) {}

    Pnn pnn = 0;
    bool up = false;
    bool stopped = false;  // ctdbd stands still
    bool frozen = false;   // so does everything
    uint64_t incarnation = 0;
    uint32_t level = 1;         // that it has noted: the cluster had it
    uint32_t newest_level = 1;  // that its ctdbd reads
    int64_t clock_offset = 0;
    int64_t clock_rate = 0;  // millionths by which its clock is fast
    MemoryStore store;
    NodeLease lease;
    std::vector<SlotGate> gates;
    SharedState shared;
    std::unique_ptr<Core> core;
    std::deque<Event> inbox;  // came while ctdbd stood still
    std::vector<Worker> workers;
    std::vector<Reader> readers;
    Disk disk;
    std::vector<Writer> writers;
    Client last_transaction = 0;
    std::map<DatabaseId, uint64_t> observed;  // the sequence number that was last looked at, and one
    Time disk_free_at = 0;                    // when its disk has done what it was asked before
    std::set<AddressId> addresses;
    std::set<AddressId> wanted;      // that its core has told it to take, and not to release
    std::set<AddressId> untakeable;  // of those that it can hold: it has failed to take them
    Transitions past;                // of cores that have ended
    bool slow_disk = false;
    bool full_disk = false;
    bool lock_unreachable = false;
    bool had_lease = false;
    Time lock_free_at = 0;  // when its lock helper has done what it was asked before

    [[nodiscard]] Time clock(Time now) const {
        const auto signed_now = static_cast<int64_t>(now);
        return static_cast<Time>(signed_now + signed_now / 1000 * clock_rate / 1000 + clock_offset);
    }
};

// Bans that end while a cluster is looked at, and records that soon stick.
inline Policy usual_policy() {
    Policy policy;
    policy.ban = 5 * second;
    policy.sticky_moves = 2;
    policy.sticky_for = second;
    policy.sticky_pin = 50 * millisecond;
    return policy;
}

inline Client client_of(size_t worker) { return worker + 1; }
constexpr Client first_reader = 1000;
inline Client reader_of(size_t reader) { return first_reader + reader; }

}  // namespace Atoll::ctdb::sim
