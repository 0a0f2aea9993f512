#include "smbd/xsrv/slot.h"

#include <utility>

namespace Atoll::xsrv {

namespace {

OwnSlot next_slot;

// The `width` lower bits of `unique`, with the slot in the highest ten of them.
uint64_t in_own_slot(uint64_t unique, unsigned width) {
    const uint64_t all = ~uint64_t{0} >> (64 - width);
    uint64_t id = unique & all;
    if (const auto slot = own_slot()) id = (id & (all >> slot_bits)) | uint64_t{*slot & slot_mask} << (width - slot_bits);
    return id == 0 || id == all ? id ^ 1 : id;
}

}  // namespace

void set_own_slots(OwnSlot next) { next_slot = std::move(next); }

std::optional<uint32_t> own_slot() { return next_slot ? next_slot() : std::nullopt; }

uint64_t new_open_id(uint64_t unique) { return in_own_slot(unique, 64); }
uint64_t new_session_id(uint64_t unique) { return in_own_slot(unique, 32); }

}  // namespace Atoll::xsrv
