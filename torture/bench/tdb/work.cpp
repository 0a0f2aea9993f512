#include "torture/bench/tdb/work.h"

#include <array>

#include "base/bytes.h"

namespace Atoll::bench {
namespace {

uint64_t scramble(uint64_t x) {  // splitmix64
    x += 0x9E3779B97F4A7C15;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
    return x ^ (x >> 31);
}

uint64_t any(Worker& worker) { return (uint64_t{worker.random()} << 31 | worker.random()) % worker.records; }

// A record that no other process touches.
uint64_t own(Worker& worker) {
    const uint64_t index = any(worker) / worker.processes * worker.processes + worker.number;
    return index < worker.records ? index : worker.number;
}

// Another one each time: to store what is there already is no work.
Bytes value(Worker& worker, size_t size) {
    worker.value.resize(size);
    store_le<uint64_t>(worker.value.data(), ++worker.stored);
    return worker.value;
}

size_t any_size(Worker& worker) { return 40 + worker.random() % 400; }

uint64_t step_fetch(Worker& worker) {
    if (!worker.store.fetch(key_of(own(worker)))) give_up("a record is not there");
    return 1;
}

uint64_t step_lookup(Worker& worker) {
    if (!worker.store.fetch(key_of(any(worker)))) give_up("a record is not there");
    return 1;
}

uint64_t step_store(Worker& worker) {
    worker.store.store(key_of(own(worker)), value(worker, value_size));
    return 1;
}

uint64_t step_store_sizes(Worker& worker) {
    worker.store.store(key_of(own(worker)), value(worker, any_size(worker)));
    return 1;
}

uint64_t step_update(Worker& worker) {
    worker.store.update(key_of(own(worker)), value(worker, any_size(worker)));
    return 1;
}

// Of ten, six fetches, two stores, one removal and one fetch of what may have been removed.
uint64_t step_mixed(Worker& worker) {
    const uint64_t dice = worker.random() % 10;
    const Key key = key_of(own(worker));
    if (dice < 7) {
        worker.store.fetch(key);
    } else if (dice < 9) {
        worker.store.store(key, value(worker, any_size(worker)));
    } else {
        worker.store.remove(key);
    }
    return 1;
}

// Everybody on the same sixteen: half of it changes.
uint64_t step_contended(Worker& worker) {
    const Key key = key_of(worker.random() % 16);
    if (worker.random() % 2 == 0) {
        worker.store.update(key, value(worker, any_size(worker)));
    } else {
        worker.store.fetch(key);
    }
    return 1;
}

uint64_t step_traverse(Worker& worker) { return worker.store.traverse(); }

uint64_t step_traverse_locked(Worker& worker) { return worker.store.traverse_locked(); }

uint64_t step_transaction(Worker& worker) {
    std::array<Key, 10> keys;
    std::array<Bytes, 10> views;
    for (size_t i = 0; i < keys.size(); i++) {
        keys[i] = key_of(own(worker));
        views[i] = keys[i];
    }
    worker.store.transaction(views, value(worker, any_size(worker)));
    return 1;
}

constexpr uint32_t chains = 10007;
constexpr uint64_t million = 1'000'000;
// Targets: docs/bench.md, "Databases".
constexpr Work works[] = {
    {"fetch", "parse a record of one's own", 10'000, chains, 64, false, true, 1.0, 1.5, step_fetch},
    {"store", "replace a record of one's own by one of the same size", 10'000, chains, 64, false, true, 1.0, 1.5, step_store},
    {"store-sizes", "the same with sizes from 40 to 439 bytes", 10'000, chains, 64, false, true, 1.0, 1.5, step_store_sizes},
    {"update", "lock, look, store, unlock", 10'000, chains, 64, false, true, 1.0, 1.5, step_update},
    {"mixed", "70 % fetch, 20 % store, 10 % remove", 10'000, chains, 64, false, true, 1.0, 1.5, step_mixed},
    {"contended", "update and fetch of 16 keys by all", 16, chains, 64, false, true, 1.0, 1.0, step_contended},
    {"traverse", "records seen of 10 000", 10'000, chains, 1, false, true, 1.0, 1.0, step_traverse},
    {"traverse-lock", "the same, each record locked to be changed", 10'000, chains, 1, false, true, 1.0, 1.0, step_traverse_locked},
    {"commit", "a transaction of 10 stores, without a disk", 1'000, 1009, 1, false, true, 1.0, 1.0, step_transaction},
    {"commit-disk", "the same, synced to a disk", 1'000, 1009, 1, true, false, 1.0, 1.0, step_transaction},
    {"million", "fetch among a million, 10 a chain", million, 100'003, 64, false, true, 1 / 1.1, 1 / 1.1, step_lookup},
    {"million-long", "fetch among a million, 100 a chain", million, chains, 16, false, true, 1 / 1.1, 1 / 1.1, step_lookup},
};

}  // namespace

std::span<const Work> all_works() { return works; }

Key key_of(uint64_t index) {
    Key key;
    store_le<uint64_t>(key.bytes, scramble(index));
    store_le<uint64_t>(key.bytes + 8, scramble(~index));
    return key;
}

void fill(Store& store, const Work& work) {
    Buffer value;
    value.append_zeros(value_size);
    for (uint64_t i = 0; i < work.records; i++) store.store(key_of(i), value);
}

}  // namespace Atoll::bench
