#pragma once

#include <cstddef>

namespace Atoll::limits {

// Of one packet between nodes, without its head: an offer of MAX_COPIES small records or one of the largest value fits; more is malformed.
constexpr size_t max_node_packet = size_t{4} << 20;
constexpr size_t max_urgent_packet = size_t{1} << 16;

}  // namespace Atoll::limits
