// Limits of this room alone (the others: base/limits.h).
#pragma once

#include <chrono>
#include <cstddef>

namespace Atoll::limits {

constexpr size_t max_byte_range_locks = 200000;  // of one stream; INSUFFICIENT_RESOURCES
// After which a lock that waits for a program on this machine is tried again: nobody tells when such a program gives its lock up.
constexpr std::chrono::milliseconds posix_lock_retry{100};
constexpr size_t max_notify_buffer = 64 * 1024;   // bytes of changes that wait for an Open's next request; then NOTIFY_ENUM_DIR
constexpr size_t max_owed_notify_holders = 1024;  // processes, too busy to hear of changes, that are told later that they missed some
// For which a request to watch a directory waits for whoever looks at local changes, and after which it asks again.
constexpr std::chrono::milliseconds local_watch_patience{5000}, local_watch_retry{250};
constexpr size_t local_change_buffer = 64 * 1024;  // bytes of local changes that are read at once
// Where the kernel does not say who made a change (smbd/fsa/change_queue.h): how long it is held back, how long what our processes tell of
// is remembered, how many of both, and among how many of the last one looks for what belongs together.
constexpr std::chrono::milliseconds local_change_delay{200}, own_change_memory{2000};
constexpr size_t max_held_changes = 65536;  // beyond: NOTIFY_ENUM_DIR
constexpr size_t max_own_changes = 65536;   // beyond: the oldest is forgotten
constexpr size_t near_changes = 64;
constexpr size_t max_inotify_watches = 16384;             // directories; what changes in others of a watched tree goes unseen
constexpr size_t max_inotify_entries = 1000000;           // names that are looked at to find a tree's directories; the same
constexpr unsigned local_change_reads = 64;               // at once; then the loop looks at its other descriptors
constexpr std::chrono::seconds ended_process_memory{60};  // of a process that is no more found, and of whose end nobody tells

constexpr unsigned break_timeout_seconds =
    35;                                      // for which a client may answer a break (MS-SMB2 3.3.6.1, note 246); then it has given all up
constexpr unsigned break_grace_seconds = 2;  // after which others no longer wait for the holder's process to note that
constexpr std::chrono::seconds grant_patience{45};  // after which an open that waits for the cluster part looks and asks again
constexpr size_t max_reparse_buffer = 16384;        // bytes (MS-FSA 2.1.5.10.37); IO_REPARSE_DATA_INVALID
constexpr size_t max_command_output = 1024;         // bytes of a program's answer that are read
constexpr std::chrono::seconds command_time{10};
constexpr size_t max_command_users = 1000;  // whom `get quota command` is asked about in turn

}  // namespace Atoll::limits
