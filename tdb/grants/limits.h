// Limits of this room alone (the others: base/limits.h).
#pragma once

#include <cstdint>

namespace Atoll::limits {

constexpr uint64_t grant_answer_seconds = 40;  // after which the cluster part is asked again: longer than a client may take for a break
constexpr uint64_t grant_refusal_seconds = 1;  // for which a refusal counts for all who wait for the same

}  // namespace Atoll::limits
