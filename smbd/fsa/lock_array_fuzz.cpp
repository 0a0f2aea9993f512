// A record of brlock.tdb as a damaged database may have it: every call ends, and stays within the bytes. The head of the input says what is
// looked for, the rest is the record.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "base/bytes.h"
#include "smbd/fsa/lock_array.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace Atoll;
    ByteReader in(Bytes(data, size));
    const fsa::LockEntry sought{in.u64(), in.u64(), in.u64(), 0};
    const Bytes record = in.rest();
    std::vector<uint8_t> bytes(record.begin(), record.end());
    fsa::LockArray locks(bytes);
    const size_t before = locks.size();
    size_t visited = 0;
    locks.for_each_overlap(sought.offset, sought.last, [&](const fsa::LockEntry&) { return ++visited <= before; });
    ATOLL_ASSERT(visited <= before);
    if (visited > 0) ATOLL_ASSERT(locks.any_overlap(sought.offset, sought.last));
    locks.insert(sought);
    ATOLL_ASSERT(locks.size() == before + 1);
    fsa::LockEntry removed;
    const bool gone = locks.remove(sought.offset, sought.last, sought.open_id, removed);
    ATOLL_ASSERT(locks.size() == before + (gone ? 0 : 1));
    const size_t left = locks.size();
    locks.remove_if([](const fsa::LockEntry& entry) { return entry.open_id % 2 == 0; });
    ATOLL_ASSERT(locks.size() <= left);
    return 0;
}
