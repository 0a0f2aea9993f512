#pragma once

#include <cstddef>

namespace Atoll::limits {

constexpr size_t max_unacknowledged = 65536;  // frames to one member; beyond: its session ends, as if it were silent
constexpr size_t max_early_frames = 256;      // that came before one still missing; beyond: dropped, and sent again
constexpr size_t max_resent = 32;             // frames of one link that are sent again at once

}  // namespace Atoll::limits
