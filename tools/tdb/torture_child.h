// What one process of tdbtorture does to the file, and how it tells what must be there afterwards.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "tdb/file/file_database.h"

namespace Atoll::tools {

constexpr unsigned max_torture_processes = 64;

struct TortureOptions {
    std::string path = "torture.tdb";
    unsigned processes = 3;
    uint64_t loops = 5000;  // of each process
    uint32_t hash_size = 2;
    unsigned seed = 0;
    bool kill = false;
    bool only_transactions = false;  // every change is made in one
    bool mutexes = false;
};

// Shared by all processes, so that it outlives each.
struct TortureBoard {
    struct Process {
        std::atomic<uint64_t> loops{0};
        // Of the process's own records: what the last commit that has returned wrote, and what one under way writes.
        std::atomic<uint64_t> committed{0}, attempted{0};
    };
    std::array<Process, max_torture_processes> processes;
    std::atomic<uint64_t> commits{0};
};

// Works until the board says that the process's loops are done. `generation`: how often the process was started before.
// Errors: of the database, and Code::corrupt for a value that nobody wrote or a transaction that is lost or half there.
Result<void> torture(tdb::FileDatabase& database, const TortureOptions& options, TortureBoard& board, unsigned number, unsigned generation);

// Everything that holds when nobody works on the file. Returns the number of records.
Result<uint64_t> verify_torture(tdb::FileDatabase& database, const TortureOptions& options, TortureBoard& board);

}  // namespace Atoll::tools
