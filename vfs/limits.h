// Limits of this room alone (the others: base/limits.h).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace Atoll::limits {

// The names of recently used directories that all processes of a server share (vfs/name_index.h). Beyond any of these the directories
// unused longest are scanned again, and one that takes more than half of it alone always.
constexpr uint32_t max_shared_directories = 1024;
constexpr uint32_t max_shared_name_bytes = 96u << 20;
constexpr uint32_t shared_name_slots = 1u << 22;  // of 8 bytes; a power of two
constexpr size_t name_batch = 64 * 1024;          // bytes of names that a filling scan hands over at once
// For which a process waits for another that is at the index; then it scans, and waits for nobody for some time.
constexpr std::chrono::milliseconds name_index_patience{200};
constexpr std::chrono::seconds name_index_pause{10};
constexpr std::chrono::seconds name_filling_patience{60};  // after which a filling scan counts as given up
constexpr size_t max_name_misses = 64;                     // directories that a process remembers to have scanned
constexpr size_t max_name_drain = 128;                     // reads of 16 KiB of changes before a lookup; beyond: the index is dropped

}  // namespace Atoll::limits
