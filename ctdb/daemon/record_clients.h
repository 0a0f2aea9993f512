// The processes of the node that use its records in shared memory (ctdb/client): where each notes what it has locked, what it waits for,
// and its end.
//
// A process that ends, however, has its locks cleared; found by what it noted, not by looking at all records. One that stands still with a
// lock inside a file is killed: nobody waits for it.
#pragma once

#include <functional>
#include <map>

#include "ctdb/core/events.h"
#include "ctdb/daemon/client_socket.h"
#include "ctdb/daemon/record_databases.h"
#include "ctdb/protocol/client.idl.h"
#include "ctdb/shared/shared_memory.h"

namespace Atoll::ctdb {

class RecordClients {
 public:
    using Deliver = std::function<void(Event)>;
    struct Identity {
        Pnn pnn = 0;
        uint64_t incarnation = 0;
        std::string shared_memory;
    };

    RecordClients(Identity identity, SharedMemory& memory, RecordDatabases& databases, ClientSocket& socket, Statistics& statistics,
                  Deliver deliver);

    // Processes that wait for a record.
    [[nodiscard]] size_t waiting() const;
    // A request of its own kinds; `serving`: whether the node is a member, or may become one.
    void requested(ClientId client, const protocol::request& request, bool may_serve);
    // False: that client is none of these.
    bool granted(const GrantRecord& grant);
    bool readable(const RecordReadable& readable);
    bool mirrored(const RecordMirrored& mirrored);
    void left(ClientId client);
    // The session has ended: their connections end, and they serve nobody any more.
    void end_all();
    // The same for those that do not read that format level.
    void end_older(uint32_t level);
    // Of a process that has had a lock in a file for long; it may be one that has ended a moment ago.
    void stands_still(pid_t thread) const;

 private:
    struct Process {
        uint32_t place = 0;
        pid_t pid = 0;
        uint64_t waiting = 0;       // the number of the request that waits for a record, or a copy of one; 0: none does
        uint64_t stored = 0;        // and for a mirror
        Time since = 0;             // of node_now(): it waits
        uint32_t newest_level = 0;  // of the format levels that it reads
    };

    void answer(ClientId client, uint64_t number, protocol::outcome result, Bytes data = {}, std::string_view text = {});
    void enrol(ClientId client, const protocol::request& request);
    void tell_level();
    void end(ClientId client, const Process& process);
    void want(ClientId client, Process& process, const protocol::request& request, bool may_serve);
    void finish_waiting(ClientId client, Process& process, uint32_t database, protocol::outcome result);
    void stored(ClientId client, Process& process, const protocol::request& request);
    bool clear_holder(const RecordKey& key, Client holder);
    uint32_t free_place();
    void clear_locks(uint32_t place, Client holder);

    const Identity identity_;
    SharedMemory& memory_;
    RecordDatabases& databases_;
    ClientSocket& socket_;
    Statistics& statistics_;
    Deliver deliver_;
    std::map<ClientId, Process> processes_;
    // Places whose process closed its connection and may live on: nobody else gets them before it has ended.
    std::map<uint32_t, pid_t> abandoned_;
};

// One page of a node's copies of a database, for who lists it.
protocol::record_page list_records(const RecordDatabases& databases, uint32_t database, Slot from, const Value* behind);

}  // namespace Atoll::ctdb
