// What the machine itself can do, without a server: the loopback copy, the local file system, the ciphers. One thread each, as one
// connection has one server process.
#pragma once

#include <string>

#include "base/result.h"

namespace Atoll::bench {

struct Limits {
    double loopback_bytes = 0;        // per second, from one process's memory to another's through TCP on loopback, 1 MiB blocks
    double loopback_round_trips = 0;  // per second, 100 bytes each way, one at a time
    double gcm_bytes = 0;             // AES-128-GCM, 1 MiB messages
    double gmac_bytes = 0;            // AES-128-GMAC signatures, 1 MiB messages
    double cmac_bytes = 0;            // AES-128-CMAC signatures
    double reads = 0, writes = 0;     // pread and pwrite of 4 KiB per second at random places of the file `data`
    double opens = 0;                 // open, fstat, two getxattr, close
    double stats = 0;
    double creates = 0;  // open(O_CREAT), two setxattr, close
    double deletes = 0;
    double entries = 0;  // per second: readdir and stat
};

// `directory` holds `data` and f0, f1, ... as prepared for the workloads; new files are made in it and removed.
Result<Limits> measure_limits(const std::string& directory, size_t files, uint64_t file_size);
std::string to_json(const Limits& limits);

}  // namespace Atoll::bench
