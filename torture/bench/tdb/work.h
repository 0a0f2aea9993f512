// The kinds of work that tdbbench gives to both libraries.
#pragma once

#include <random>
#include <span>
#include <string_view>

#include "torture/bench/tdb/store.h"

namespace Atoll::bench {

// What one process does; each has its own.
struct Worker {
    Store& store;
    unsigned number;  // of the process, from 0
    unsigned processes;
    uint64_t records;  // in the file at the start; process n's own are those whose number is n modulo `processes`
    std::minstd_rand random;
    Buffer value;
    uint64_t stored = 0;
};

struct Work {
    std::string_view name;
    std::string_view what;      // for the reader of the table
    uint64_t records;           // in the file at the start
    uint32_t hash_size;         // chains
    unsigned batch;             // operations between two looks at the clock
    bool on_disk;               // on a file system with a disk below, where a sync means something
    bool mutexes;               // in mutex mode too
    double least_fcntl;         // what ours must at least be, of Debian's operations a second
    double least_mutex;         // the same in mutex mode
    uint64_t (*step)(Worker&);  // one operation; how many it counts for
};

std::span<const Work> all_works();

// Number `index` as a key of 16 bytes that looks random.
struct Key {
    uint8_t bytes[16];
    operator Bytes() const { return bytes; }
};
Key key_of(uint64_t index);
constexpr size_t value_size = 200;
// Fills the file with a work's records.
void fill(Store& store, const Work& work);

}  // namespace Atoll::bench
