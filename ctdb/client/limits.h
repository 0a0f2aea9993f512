// Limits of this room alone (the others: base/limits.h).
#pragma once

#include <chrono>
#include <cstddef>

namespace Atoll::limits {

// For a record that another node or process has. A cluster that has lost a node gets its records back within a few seconds.
constexpr std::chrono::seconds record_patience{60};
constexpr std::chrono::seconds daemon_patience{20};  // for other answers of ctdbd
constexpr size_t max_unanswered = 4096;  // messages of a process to other nodes of which it does not know what became; beyond: busy

}  // namespace Atoll::limits
