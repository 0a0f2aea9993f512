// How commits of transactions and their recovery reach a file: a seam for faults and for recording what was written and synced.
// Everything else writes by the memory map.
#pragma once

#include <cstdint>

#include "base/buffer.h"

namespace Atoll::tdb {

// Offsets count from the start of the file. Each returns 0 or an errno; a failed write may have written some of its bytes.
class Disk {
 public:
    virtual ~Disk() = default;
    virtual int write(int fd, uint64_t offset, Bytes bytes);
    // What was written before is on the disk when it returns.
    virtual int sync(int fd);
    // Makes the file `offset + length` bytes long, with room on the disk for the bytes from `offset`.
    virtual int allocate(int fd, uint64_t offset, uint64_t length);
    virtual int truncate(int fd, uint64_t length);

    // The real one.
    static Disk& system();
};

}  // namespace Atoll::tdb
