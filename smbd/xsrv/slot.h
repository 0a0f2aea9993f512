// Identifiers that we issue carry their home (docs/design.md, "State"): ten fixed bits of each are the slot of the volatile record that
// it is the key of. In a cluster a process takes slots that its node locates, so that a record made and ended there costs other nodes no
// message (docs/cluster.md, "Slots in identifiers"). Without a cluster any will do.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

namespace Atoll::xsrv {

constexpr unsigned slot_bits = 10;
constexpr uint32_t slot_mask = (1u << slot_bits) - 1;
constexpr unsigned open_slot_shift = 64 - slot_bits;     // of a persistent file id: its highest bits
constexpr unsigned session_slot_shift = 32 - slot_bits;  // of a session id, which keeps to 32 bits: clients are known that cut it to that

constexpr uint32_t slot_of_open(uint64_t persistent_id) { return static_cast<uint32_t>(persistent_id >> open_slot_shift) & slot_mask; }
constexpr uint32_t slot_of_session(uint64_t session_id) { return static_cast<uint32_t>(session_id >> session_slot_shift) & slot_mask; }

// A slot that this node locates, another one each time; nullopt: any will do.
using OwnSlot = std::function<std::optional<uint32_t>()>;
// From where this process has its slots: of the whole process, as its part in the node is. Without one any will do. Main thread only.
void set_own_slots(OwnSlot next);
std::optional<uint32_t> own_slot();

// Identifiers from random or counted bits, in a slot of own_slot(). Never 0 and never all ones, which have meanings of their own.
// Uniqueness is the insert's to decide.
uint64_t new_open_id(uint64_t unique);
uint64_t new_session_id(uint64_t unique);

}  // namespace Atoll::xsrv
