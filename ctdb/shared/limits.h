// Limits of this room alone (the others: base/limits.h).
#pragma once

#include <cstddef>
#include <cstdint>

namespace Atoll::limits {

constexpr uint32_t max_record_clients = 4096;  // processes of a node that lock records; beyond: refused
constexpr size_t max_client_holds = 14;        // records that one of them has locked at once, or waits for

}  // namespace Atoll::limits
