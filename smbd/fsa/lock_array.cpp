#include "smbd/fsa/lock_array.h"

#include <tuple>

#include "base/bytes.h"

namespace Atoll::fsa {

namespace {

// An entry's layout, little-endian.
constexpr size_t offset_at = 0, last_at = 8, greatest_at = 16, open_at = 24, holder_at = 32;

}  // namespace

LockEntry LockArray::at(size_t i) const {
    const uint8_t* const p = entry(i);
    return {load_le<uint64_t>(p + offset_at), load_le<uint64_t>(p + last_at), load_le<uint64_t>(p + open_at),
            load_le<uint32_t>(p + holder_at)};
}

uint64_t LockArray::greatest_last(size_t i) const { return load_le<uint64_t>(entry(i) + greatest_at); }

size_t LockArray::count_up_to(uint64_t offset) const {
    size_t low = 0, high = size();
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (load_le<uint64_t>(entry(middle) + offset_at) <= offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

size_t LockArray::lower_bound(uint64_t offset, uint64_t last, uint64_t open_id) const {
    size_t low = 0, high = size();
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const LockEntry there = at(middle);
        if (std::tie(there.offset, there.last, there.open_id) < std::tie(offset, last, open_id)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void LockArray::update_from(size_t i, Until until) {
    uint64_t greatest = i > 0 ? greatest_last(i - 1) : 0;
    for (const size_t count = size(); i < count; i++) {
        const uint64_t last = load_le<uint64_t>(entry(i) + last_at);
        if (last > greatest) greatest = last;
        if (until == Until::right && greatest_last(i) == greatest) return;
        store_le(entry(i) + greatest_at, greatest);
    }
}

void LockArray::insert(const LockEntry& added) {
    const size_t place = lower_bound(added.offset, added.last, added.open_id);
    bytes_.insert(bytes_.begin() + static_cast<ptrdiff_t>(place * entry_size), entry_size, 0);
    uint8_t* const p = entry(place);
    const uint64_t before = place > 0 ? greatest_last(place - 1) : 0;
    store_le(p + offset_at, added.offset);
    store_le(p + last_at, added.last);
    store_le(p + greatest_at, before > added.last ? before : added.last);
    store_le(p + open_at, added.open_id);
    store_le(p + holder_at, added.holder);
    update_from(place + 1, Until::right);
}

bool LockArray::remove(uint64_t offset, uint64_t last, uint64_t open_id, LockEntry& removed) {
    const size_t place = lower_bound(offset, last, open_id);
    if (place == size()) return false;
    removed = at(place);
    if (removed.offset != offset || removed.last != last || removed.open_id != open_id) return false;
    const auto begin = bytes_.begin() + static_cast<ptrdiff_t>(place * entry_size);
    bytes_.erase(begin, begin + entry_size);
    update_from(place, Until::right);
    return true;
}

bool LockArray::any_overlap(uint64_t first, uint64_t last) const {
    const size_t count = count_up_to(last);
    return count > 0 && greatest_last(count - 1) >= first;
}

}  // namespace Atoll::fsa
