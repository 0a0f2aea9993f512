// Identifiers that we issue carry their home (docs/design.md, "State"): ten fixed bits of each are the slot of the volatile record that
// it is the key of. Without a cluster one node locates every slot, and any will do.
#pragma once

#include <cstdint>

namespace Atoll::xsrv {

constexpr unsigned slot_bits = 10;
constexpr uint32_t slot_mask = (1u << slot_bits) - 1;
constexpr unsigned open_slot_shift = 64 - slot_bits;     // of a persistent file id: its highest bits
constexpr unsigned session_slot_shift = 32 - slot_bits;  // of a session id, which keeps to 32 bits: clients are known that cut it to that

constexpr uint32_t slot_of_open(uint64_t persistent_id) { return static_cast<uint32_t>(persistent_id >> open_slot_shift) & slot_mask; }
constexpr uint32_t slot_of_session(uint64_t session_id) { return static_cast<uint32_t>(session_id >> session_slot_shift) & slot_mask; }

// Identifiers of this node from random or counted bits, every slot being this node's. Never 0 and never all ones, which have meanings of
// their own. Uniqueness is the insert's to decide.
constexpr uint64_t local_open_id(uint64_t unique) { return unique == 0 || unique == ~uint64_t{0} ? 1 : unique; }
constexpr uint64_t local_session_id(uint64_t unique) {
    const uint64_t id = unique & 0xFFFFFFFF;
    return id == 0 || id == 0xFFFFFFFF ? 1 : id;
}

}  // namespace Atoll::xsrv
