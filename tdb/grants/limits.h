// Limits of this room alone (the others: base/limits.h).
#pragma once

#include <cstdint>

namespace Atoll::limits {

constexpr uint64_t grant_answer_seconds = 40;  // after which the cluster part is asked again: longer than a client may take for a break
// For which who asked for something and has got it is left to use it, before it can be recalled. Usually he has within a millisecond.
constexpr uint64_t fresh_grant_milliseconds = 200;
// After which a node that waits for others tells them once more what it waits for: messages may have been lost, or agents.
constexpr uint64_t grant_nudge_milliseconds = 1000;
constexpr unsigned recall_patience_nudges = 45;  // of a recall that does not end; then it is begun once more

}  // namespace Atoll::limits
