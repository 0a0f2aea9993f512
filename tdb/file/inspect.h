// What the tools show of a TDB file: its records as they stand, and figures about all of them.
#pragma once

#include <cstdint>

#include "tdb/file/format.h"

namespace Atoll::tdb {

// A record as it stands in the file, of any kind (RecordHeader::magic).
struct RecordPlace {
    Offset offset = 0;
    RecordHeader header{};
};

// How a number is spread over some records, in bytes or pieces.
struct Spread {
    uint64_t count = 0;
    uint64_t total = 0;
    uint64_t smallest = 0;  // 0 when count is 0, as are the others
    uint64_t largest = 0;

    void add(uint64_t value) {
        smallest = count == 0 || value < smallest ? value : smallest;
        largest = value > largest ? value : largest;
        total += value;
        count++;
    }
    [[nodiscard]] uint64_t average() const { return count == 0 ? 0 : total / count; }
};

struct Summary {
    uint64_t file_size = 0;      // bytes, the mutex area among them
    uint64_t header_offset = 0;  // of the data part: the size of the mutex area
    uint64_t logical_size = 0;   // bytes of the data part
    uint32_t rwlocks = 0;        // the header's
    uint32_t feature_flags = 0;
    uint32_t hash_size = 0;
    Spread keys;                 // bytes of each live record's key
    Spread data;                 // bytes of each live record's value
    Spread padding;              // bytes of each live record that are neither
    Spread dead;                 // bytes (rec_len) of each dead record
    Spread free;                 // bytes (rec_len) of each free record
    Spread chains;               // live and dead records of each chain
    Spread uncoalesced;          // records of each run of more than one free record side by side
    uint64_t recovery_size = 0;  // bytes of the recovery area with its header, 0: there is none
};

}  // namespace Atoll::tdb
