#include "ctdb/daemon/record_clients.h"

#include <signal.h>

#include <algorithm>

#include "base/log.h"
#include "ctdb/daemon/limits.h"
#include "ctdb/shared/node_clock.h"
#include "idl/level.h"

namespace Atoll::ctdb {
namespace {

using protocol::operation;
using protocol::outcome;

// Apart from the clients for which the daemon works itself.
constexpr Client process_bit = Client{1} << 63;
constexpr Client client_of(ClientId id) { return id | process_bit; }

}  // namespace

RecordClients::RecordClients(Identity identity, SharedMemory& memory, RecordDatabases& databases, ClientSocket& socket,
                             Statistics& statistics, Deliver deliver)
    : identity_(std::move(identity)),
      memory_(memory),
      databases_(databases),
      socket_(socket),
      statistics_(statistics),
      deliver_(std::move(deliver)) {
    databases_.on_standstill([this](pid_t thread) { stands_still(thread); });
}

void RecordClients::answer(ClientId client, uint64_t number, outcome result, Bytes data, std::string_view text) {
    protocol::reply reply;
    reply.number = number;
    reply.result = result;
    reply.data.assign(data.begin(), data.end());
    reply.text = text;
    socket_.reply(client, reply);
}

void RecordClients::requested(ClientId client, const protocol::request& request, bool may_serve) {
    if (request.op == operation::REGISTER) return enrol(client, request);
    const auto found = processes_.find(client);
    if (found == processes_.end()) return answer(client, request.number, outcome::INVALID, {}, "the process is not registered");
    if (request.op == operation::STORED) return stored(client, found->second, request);
    if (request.op == operation::WANT || request.op == operation::WANT_READ) return want(client, found->second, request, may_serve);
    const uint32_t database = databases_.find(request.database);
    if (database != 0) deliver_(ClientReleased{{database, request.key}});
}

// The number of places: there is none.
uint32_t RecordClients::free_place() {
    std::erase_if(abandoned_, [](const auto& entry) { return ::kill(entry.second, 0) != 0; });
    const auto places = memory_.places();
    uint32_t place = 0;
    while (place < places.size() && (places[place].pid != 0 || abandoned_.contains(place))) place++;
    return place;
}

void RecordClients::enrol(ClientId client, const protocol::request& request) {
    const uint64_t number = request.number;
    if (request.seconds < idl::written_level())
        return answer(client, number, outcome::TOO_OLD, {},
                      "the cluster writes at format level " + std::to_string(idl::written_level()) + ", and the program reads up to " +
                          std::to_string(request.seconds));
    if (!databases_.shared()) return answer(client, number, outcome::INVALID, {}, "`tdb mutexes = no`: records cannot be shared");
    const auto places = memory_.places();
    const uint32_t place = free_place();
    const pid_t pid = socket_.process_of(client);
    if (place == places.size() || pid <= 0 || processes_.contains(client))
        return answer(client, number, outcome::NO_SPACE, {}, "too many processes use the cluster's databases");
    places[place] = ProcessPlace();
    places[place].pid = static_cast<uint64_t>(pid);
    places[place].client = client_of(client);
    processes_[client] = Process{place, pid, 0, 0, 0, request.seconds};
    tell_level();
    const protocol::registration registration{client_of(client), identity_.pnn, place, identity_.incarnation, identity_.shared_memory};
    Buffer encoded;
    encode(registration, encoded, idl::written_level());
    answer(client, number, outcome::DONE, encoded);
}

void RecordClients::want(ClientId client, Process& process, const protocol::request& request, bool may_serve) {
    const uint32_t database = databases_.find(request.database);
    if (database == 0) return answer(client, request.number, outcome::NO_DATABASE);
    if (process.waiting != 0 || request.number == 0) return answer(client, request.number, outcome::INVALID, {}, "waits already");
    if (!may_serve) return answer(client, request.number, outcome::NOT_SERVING);
    process.waiting = request.number;
    process.since = node_now();
    const RecordKey key{database, request.key};
    if (request.op == operation::WANT_READ && databases_.lends(database)) return deliver_(ClientReads{client_of(client), key});
    deliver_(ClientWants{client_of(client), key});
}

// Without a copy to be read it waits for the record.
bool RecordClients::readable(const RecordReadable& readable) {
    const auto found = processes_.find(readable.client & ~process_bit);
    if ((readable.client & process_bit) == 0 || found == processes_.end() || found->second.waiting == 0) return false;
    if (!readable.readable) {
        deliver_(ClientWants{readable.client, readable.key});
        return true;
    }
    finish_waiting(found->first, found->second, readable.key.database, outcome::READABLE);
    return true;
}

void RecordClients::finish_waiting(ClientId client, Process& process, uint32_t database, outcome result) {
    statistics_.called(database);
    statistics_.lasted(&protocol::statistics::call, node_now() - process.since);
    answer(client, std::exchange(process.waiting, 0), result);
}

void RecordClients::stored(ClientId client, Process& process, const protocol::request& request) {
    const RecordKey key{databases_.find(request.database), request.key};
    Copy copy;
    if (key.database == 0) return answer(client, request.number, outcome::NO_DATABASE);
    if (!databases_.mirrored(key.database) || process.stored != 0 || !databases_.read(key, copy) || copy.holder != client_of(client))
        return answer(client, request.number, outcome::INVALID, {}, "it has stored no mirrored record");
    process.stored = request.number;
    deliver_(ClientStored{client_of(client), key});
}

bool RecordClients::mirrored(const RecordMirrored& mirrored) {
    if ((mirrored.client & process_bit) == 0) return false;
    const auto found = processes_.find(mirrored.client & ~process_bit);
    if (found == processes_.end() || found->second.stored == 0) return true;
    answer(found->first, std::exchange(found->second.stored, 0), outcome::DONE);
    return true;
}

bool RecordClients::granted(const GrantRecord& grant) {
    if ((grant.client & process_bit) == 0) return false;
    const ClientId client = grant.client & ~process_bit;
    const auto found = processes_.find(client);
    if (found == processes_.end() || found->second.waiting == 0) {
        if (clear_holder(grant.key, grant.client)) deliver_(ClientReleased{grant.key});
        return true;
    }
    finish_waiting(client, found->second, grant.key.database, outcome::DONE);
    return true;
}

size_t RecordClients::waiting() const {
    return static_cast<size_t>(
        std::count_if(processes_.begin(), processes_.end(), [](const auto& entry) { return entry.second.waiting != 0; }));
}

// True: it was the holder.
bool RecordClients::clear_holder(const RecordKey& key, Client holder) {
    Copy seen;
    while (databases_.read(key, seen) && seen.holder == holder) {
        Copy next = seen;
        next.holder = 0;
        if (databases_.replace(key, seen, next)) return true;
    }
    return false;
}

void RecordClients::clear_locks(uint32_t place, Client holder) {
    std::vector<RecordKey> held;
    for (const Hold hold : memory_.places()[place].holds) {
        if (hold == 0 || slot_of_hold(hold) >= protocol::SLOTS) continue;
        databases_.each(slot_of_hold(hold), [&](const RecordKey& key, const Copy& copy) {
            if (copy.holder == holder) held.push_back(key);
        });
    }
    for (const RecordKey& key : held) {
        if (!clear_holder(key, holder)) continue;
        log_notice("a process that has ended had a record of {} locked", databases_.name_of(key.database));
        deliver_(ClientReleased{key});
    }
}

void RecordClients::left(ClientId client) {
    const auto found = processes_.find(client);
    if (found == processes_.end()) return;
    const Process process = found->second;
    processes_.erase(found);
    ProcessPlace& place = memory_.places()[process.place];
    place.client = 0;
    place.pid = 0;
    clear_locks(process.place, client_of(client));
    deliver_(ClientGone{client_of(client)});
    abandoned_[process.place] = process.pid;
    tell_level();
}

// What all of this node read.
void RecordClients::tell_level() {
    uint32_t newest = idl::newest_known_level();
    for (const auto& [client, process] : processes_) newest = std::min(newest, process.newest_level);
    deliver_(LevelRead{newest});
}

void RecordClients::end(ClientId client, const Process& process) {
    memory_.places()[process.place].client = 0;
    socket_.disconnect(client);
}

void RecordClients::end_older(uint32_t level) {
    for (const auto& [client, process] : processes_) {
        if (process.newest_level < level) end(client, process);
    }
}

void RecordClients::end_all() {
    for (const auto& [client, process] : processes_) end(client, process);
}

void RecordClients::stands_still(pid_t thread) const {
    for (const auto& [client, process] : processes_) {
        if (process.pid != thread) continue;
        log_error("process {} stands still with a lock of the databases, and is killed", thread);
        ::kill(thread, SIGKILL);
    }
}

namespace {

constexpr size_t listed_head = 64;  // more than what goes with key and value of a record in a page
constexpr size_t page_bytes = protocol::MAX_DATA - 1024;

}  // namespace

protocol::record_page list_records(const RecordDatabases& databases, uint32_t database, Slot from, const Value* behind) {
    protocol::record_page page;
    size_t bytes = 0;
    for (Slot slot = from; slot < protocol::SLOTS; slot++) {
        bool full = false;
        databases.each(slot, [&](const RecordKey& key, const Copy& copy) {
            if (key.database != database || full || (slot == from && behind != nullptr && key.key <= *behind)) return;
            const bool whole = copy.value.size() <= page_bytes / 2;
            const size_t size = key.key.size() + (whole ? copy.value.size() : 0) + listed_head;
            full = page.records.size() == protocol::MAX_LISTED || bytes + size > page_bytes;
            if (full) return;
            bytes += size;
            page.records.push_back({key.key, whole ? copy.value : Value(), copy.rsn, copy.dmaster, copy.delegated, whole});
        });
        page.next_slot = slot;
        if (full) return page;
    }
    page.next_slot = protocol::SLOTS;
    return page;
}

}  // namespace Atoll::ctdb
