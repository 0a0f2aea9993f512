// The workloads, by name. Each works below the share's root on names that compare prepared, and checks every answer.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "torture/bench/engine.h"

namespace Atoll::bench {

struct WorkloadParams {
    std::string directory;  // below the share, no slash at either end
    size_t operations = 0;
    std::chrono::nanoseconds time = std::chrono::nanoseconds::max();  // after which none is started; not of list
    size_t depth = 1;
    size_t files = 1;        // how many prepared files there are (f0, f1, ...)
    size_t block = 4096;     // bytes of one read or write
    uint64_t file_size = 0;  // of the file `data`
    uint64_t seed = 1;
};

// What was done besides operations: bytes moved, entries listed, and of opens that exclude each other how many were granted.
struct Outcome {
    Measurement measurement;
    uint64_t bytes = 0;
    uint64_t entries = 0;
    uint64_t granted = 0;
};

// Names: read-sequential, write-sequential, read-random, write-random, lock, lock-unlock (on `data`), open-close, open-close-oplock,
// open-close-durable, open-close-persistent, stat (on f0..), open-close-root (the share's root), open-exclude (f0, shared with nobody: an
// operation is an open that is granted and closed, or refused), create, delete (on n0..), missing (opens what is not there), list. Error:
// invalid for another name, else what went wrong.
Result<Outcome> run_workload(Connection& connection, const std::string& name, const WorkloadParams& params);

// Connect, log on, tree connect, leave: one after the other.
Result<Outcome> run_connect(const Target& target, size_t operations, Counters& counters);
// Cut off, connect, log on in place of the session that was, tree connect, take back a durable handle on `path`: one after the other.
Result<Outcome> run_reconnect(const Target& target, const std::string& path, size_t operations, Counters& counters);
// `count` connections that are logged on and idle; returns when standard input ends.
Result<void> hold_connections(const Target& target, size_t count);

// What each workload opens.
constexpr uint32_t read_access = 0x00120089;
constexpr uint32_t read_write_access = 0x0012019F;

// Opens one file and waits. `disposition` as in CREATE.
Result<smb::FileId> open_file(Connection& connection, const std::string& path, uint32_t access, uint32_t options, uint32_t disposition);
Result<void> close_file(Connection& connection, const smb::FileId& file);
Failure<Error> unexpected(const smb::Header& header);

std::unique_ptr<Workload> make_transfer(Connection& connection, const WorkloadParams& params, bool write, bool random, smb::FileId file);
std::unique_ptr<Workload> make_open_close(const WorkloadParams& params);
std::unique_ptr<Workload> make_open_close_root();
// `granted` outlives it, and counts the opens that were.
std::unique_ptr<Workload> make_open_exclude(const WorkloadParams& params, uint64_t& granted);
// The same with a batch oplock on each open, and as handles of version 2 that outlive their connection. What asks to be persistent has to
// be so where the share is continuously available, and durable elsewhere.
enum class Lasting : uint8_t { no, durable, persistent };
std::unique_ptr<Workload> make_open_close_oplock(const WorkloadParams& params, Lasting lasting);
std::unique_ptr<Workload> make_create(const WorkloadParams& params);
std::unique_ptr<Workload> make_delete(const WorkloadParams& params);
std::unique_ptr<Workload> make_stat(const WorkloadParams& params);
// Locks a range of its own with each operation and, with `unlock`, unlocks it; else all stay locked until the file is closed.
std::unique_ptr<Workload> make_locks(bool unlock, smb::FileId file);
std::unique_ptr<Workload> make_missing(const WorkloadParams& params);
// Lists `directory` once; Outcome::entries without "." and "..".
Result<Outcome> run_list(Connection& connection, const WorkloadParams& params);

}  // namespace Atoll::bench
