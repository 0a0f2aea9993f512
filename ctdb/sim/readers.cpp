// Clients of a world that only read: they look at the shared memory, and ask ctdbd for a copy if there is none.
#include <algorithm>

#include "ctdb/sim/world.h"

namespace Atoll::ctdb::sim {

void World::start_readers(Host& host) {
    if (!options_.readers) return;
    for (size_t index = 0; index < host.readers.size(); index++)
        schedule_reader(host, index, random_.below(2 * reader_think_), &World::begin_read);
}

void World::schedule_reader(Host& host, size_t index, Time delay, void (World::*step)(Host&, size_t)) {
    schedule_.after(delay, [this, &host, index, step, turn = host.readers[index].turn] {
        if (!host.up || host.readers[index].turn != turn) return;
        if (host.frozen) {
            schedule_reader(host, index, 5 * millisecond, step);
        } else {
            (this->*step)(host, index);
        }
    });
}

void World::begin_read(Host& host, size_t index) {
    Reader& reader = host.readers[index];
    reader.turn++;
    const RecordKey* chosen = work_ == Work::mixed ? choose_record(host) : nullptr;
    if (chosen == nullptr) return schedule_reader(host, index, std::max(reader_think_, 10 * millisecond), &World::begin_read);
    reader.key = *chosen;
    if (read_record(host, reader.key)) return finish_read(host, index);
    reader.waits = true;
    schedule_.after(20, [this, &host, index, turn = reader.turn, incarnation = host.incarnation] {
        if (host.up && host.readers[index].turn == turn) deliver(host, incarnation, ClientReads{reader_of(index), host.readers[index].key});
    });
}

// False: there is no copy that it may read.
bool World::read_record(Host& host, const RecordKey& key) {
    Copy copy;
    const SlotGate& gate = host.shared.gates[host.store.slot_of(key)];
    if (!host.store.read(key, copy) || !may_read_locally(copy, gate, lease_seen(host), host.clock(schedule_.now()))) return false;
    checker_.read(host, key, value_of(copy));
    return true;
}

// After an answer of ctdbd it takes a moment until the client looks. If there is no copy it would ask for the record, as the workers do.
void World::answered(Host& host, const RecordReadable& answer) {
    const auto index = static_cast<size_t>(answer.client - first_reader);
    Reader& reader = host.readers[index];
    if (!reader.waits || reader.key != answer.key) return;
    reader.waits = false;
    reader.turn++;
    schedule_reader(host, index, random_.below(random_.one_in(4) ? 2 * millisecond : 50), &World::read_again);
}

void World::read_again(Host& host, size_t index) {
    read_record(host, host.readers[index].key);
    finish_read(host, index);
}

void World::finish_read(Host& host, size_t index) {
    Reader& reader = host.readers[index];
    reader.done++;
    reader.turn++;
    schedule_reader(host, index, random_.below(2 * reader_think_), &World::begin_read);
}

void World::kill_reader(Host& host, size_t index) {
    if (!options_.readers) return;
    Reader& reader = host.readers[index];
    reader.waits = false;
    reader.turn++;
    deliver(host, host.incarnation, ClientGone{reader_of(index)});
    schedule_reader(host, index, reader_think_, &World::begin_read);
}

}  // namespace Atoll::ctdb::sim
