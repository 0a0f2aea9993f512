#include "tdb/file/overwrite.h"

#include <atomic>
#include <cstring>

namespace Atoll::tdb {

namespace {
// Says that a slot's value is to be written. What a commit has saved where the slots are does not look like this.
constexpr uint64_t slot_is_whole = 0x8E51'C0DE'0A70'11F1;
constexpr unsigned claims = 4;  // slots tried
}  // namespace

struct Overwrite::Slot {
    uint32_t owner;  // the chain and 1; 0: nobody's
    Offset record;
    uint64_t whole;
    uint32_t length;
    uint32_t unused;
    uint8_t bytes[max_value];
};

Overwrite::Slot* Overwrite::slots() {
    static_assert(sizeof(Slot) == slot_size);
    const Offset area = mapping_.load(offsetof(FileHeader, recovery_start));
    if (area == 0 || !space_.is_record(area)) return nullptr;
    const uint32_t rec_len = mapping_.record(area).rec_len;
    if (rec_len < room) return nullptr;
    const uint64_t end = uint64_t{area} + sizeof(RecordHeader) + rec_len - sizeof(Tailer);
    const uint64_t start = (end - slot_count * slot_size) / 64 * 64;
    return reinterpret_cast<Slot*>(mapping_.edit(start, slot_count * slot_size));
}

// Mostly the one that this process has used before.
Overwrite::Slot* Overwrite::claim(uint32_t chain) {
    Slot* all = slots();
    if (!all) return nullptr;
    for (unsigned tried = 0; tried < claims; tried++) {
        uint32_t nobody = 0;
        if (std::atomic_ref(all[at_].owner).compare_exchange_strong(nobody, chain + 1, std::memory_order_acquire)) return all + at_;
        at_ = (at_ + 1) % slot_count;
    }
    return nullptr;
}

void Overwrite::write(Offset record, Bytes value) {
    RecordHeader& header = mapping_.edit_record(record);
    if (!value.empty())
        std::memmove(mapping_.edit(record + sizeof(RecordHeader) + header.key_len, value.size()), value.data(), value.size());
    header.data_len = static_cast<uint32_t>(value.size());
}

bool Overwrite::put(Offset record, uint32_t chain, Bytes value) {
    if (value.size() > max_value) return false;
    Slot* slot = claim(chain);
    if (!slot) return false;
    slot->record = record;
    slot->length = static_cast<uint32_t>(value.size());
    if (!value.empty()) std::memcpy(slot->bytes, value.data(), value.size());
    std::atomic_ref(slot->whole).store(slot_is_whole, std::memory_order_release);
    // The process may be killed here, not the machine: what its instructions have stored is there, in their order.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    write(record, value);
    std::atomic_ref(slot->whole).store(0, std::memory_order_release);
    std::atomic_ref(slot->owner).store(0, std::memory_order_release);
    return true;
}

// Nothing that a slot says is believed unless it fits.
bool Overwrite::is_whole(const Slot& slot, uint32_t chain, uint32_t hash_size) {
    if (slot.whole != slot_is_whole || slot.length > max_value || !space_.is_record(slot.record)) return false;
    const RecordHeader& record = mapping_.record(slot.record);
    return record.magic == record_live && record.full_hash % hash_size == chain &&
           uint64_t{record.key_len} + slot.length + sizeof(Tailer) <= record.rec_len;
}

void Overwrite::finish(uint32_t chain, uint32_t hash_size) {
    Slot* all = slots();
    if (!all) return;
    for (Slot* slot = all; slot < all + slot_count; slot++) {
        if (std::atomic_ref(slot->owner).load(std::memory_order_acquire) != chain + 1) continue;
        if (is_whole(*slot, chain, hash_size)) write(slot->record, {slot->bytes, slot->length});
        std::atomic_ref(slot->whole).store(0, std::memory_order_release);
        std::atomic_ref(slot->owner).store(0, std::memory_order_release);
    }
}

}  // namespace Atoll::tdb
