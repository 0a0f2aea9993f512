// Limits of this room alone (the others: base/limits.h).
#pragma once

#include <chrono>
#include <cstddef>

namespace Atoll::limits {

constexpr size_t max_byte_range_locks = 200000;  // of one stream; INSUFFICIENT_RESOURCES
// After which a lock that waits for a program on this machine is tried again: nobody tells when such a program gives its lock up.
constexpr std::chrono::milliseconds posix_lock_retry{100};
constexpr size_t max_notify_buffer = 64 * 1024;    // bytes of changes that wait for an Open's next request; then NOTIFY_ENUM_DIR
constexpr size_t max_owed_notify_holders = 1024;   // processes, too busy to hear of changes, that are told later that they missed some
constexpr size_t local_change_buffer = 64 * 1024;  // bytes of local changes that are read at once
constexpr unsigned local_change_reads = 64;        // at once; then the loop looks at its other descriptors

constexpr unsigned break_timeout_seconds =
    35;                                      // for which a client may answer a break (MS-SMB2 3.3.6.1, note 246); then it has given all up
constexpr unsigned break_grace_seconds = 2;  // after which others no longer wait for the holder's process to note that

}  // namespace Atoll::limits
