// Identifiers that we issue carry their home (docs/design.md, "State"): their ten highest bits are the slot of the volatile record that
// they are the key of. Without a cluster one node locates every slot, and any will do.
#pragma once

#include <cstdint>

namespace Atoll::xsrv {

constexpr unsigned slot_bits = 10;
constexpr unsigned slot_shift = 64 - slot_bits;

constexpr uint32_t slot_of(uint64_t id) { return static_cast<uint32_t>(id >> slot_shift); }
// `unique` with its slot bits kept as they are: every slot is this node's. Never 0 and never all ones, which have meanings of their own.
constexpr uint64_t with_local_slot(uint64_t unique) {
    if (unique == 0 || unique == ~uint64_t{0}) return 1;
    return unique;
}

}  // namespace Atoll::xsrv
