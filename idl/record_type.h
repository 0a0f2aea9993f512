// What generated code tells about each record of an .idl file, so that dbdump, fuzzers and property tests need no list of their own.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "idl/arbitrary.h"
#include "idl/ndr.h"

namespace Atoll::idl {

struct RecordType {
    std::string_view name;  // as in the .idl
    uint16_t tag;           // of its header
    uint16_t newest;        // the highest version that this program reads and writes
    // Decodes and prints. Errors as decode's.
    Result<std::string> (*to_text)(Bytes record);
    Result<std::string> (*to_json)(Bytes record);
    // For tests: appends an arbitrary record, written at `level`.
    void (*make)(Arbitrary& random, Buffer& out, Level level);
    // For tests: false if `record` decodes but what it decodes to, written again and read again, is another value.
    bool (*round_trips)(Bytes record);
};

// The type of a stored record by its header; nullptr if it is none of `types`.
const RecordType* find_record_type(std::span<const RecordType> types, Bytes record);

// One input of a fuzzer: every decoder of `types` is given the bytes, with its own tag put into the header so that all are reached.
// Asserts that whatever decodes round-trips.
void fuzz_records(std::span<const RecordType> types, Bytes input);

}  // namespace Atoll::idl
