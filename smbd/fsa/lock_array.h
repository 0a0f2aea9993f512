// A sorted array of byte-range locks, as a record of brlock.tdb keeps it: entries of 36 bytes, by offset, last byte and open.
//
// Beside its own last byte an entry has the greatest one of all entries up to it, so that whether anything reaches into a range is one
// search by halves, however many locks overlap each other. Adding and removing move the entries behind. The bytes may come from a damaged
// record: whatever they are, every call ends and stays within them.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

namespace Atoll::fsa {

// The last byte of a range without bytes is the one before its offset; of one at offset 0 it wraps: those are kept apart from others.
struct LockEntry {
    uint64_t offset = 0;
    uint64_t last = 0;
    uint64_t open_id = 0;  // persistent file id of the open that holds it
    uint32_t holder = 0;   // place of its process in brlock_record::holders
};

class LockArray {
 public:
    static constexpr size_t entry_size = 36;

    // `bytes` outlives this, and is not changed by others meanwhile.
    explicit LockArray(std::vector<uint8_t>& bytes) : bytes_(bytes) {}

    [[nodiscard]] size_t size() const { return bytes_.size() / entry_size; }
    [[nodiscard]] bool empty() const { return size() == 0; }
    [[nodiscard]] LockEntry at(size_t i) const;  // i < size()

    void insert(const LockEntry& entry);
    // Removes one with this range and open. False: there is none. `removed` is the entry.
    bool remove(uint64_t offset, uint64_t last, uint64_t open_id, LockEntry& removed);
    // Removes those for which `unwanted(entry)`.
    template <class F>
    void remove_if(F unwanted);
    // Whether any entry overlaps [first, last] (MS-FSA 2.1.4.10; `last` is the byte before `first` for a range without bytes).
    [[nodiscard]] bool any_overlap(uint64_t first, uint64_t last) const;
    // Calls `visit(entry)` for each of them, the one with the greatest offset first, until it returns false.
    template <class F>
    void for_each_overlap(uint64_t first, uint64_t last, F visit) const;

 private:
    [[nodiscard]] const uint8_t* entry(size_t i) const { return bytes_.data() + i * entry_size; }
    uint8_t* entry(size_t i) { return bytes_.data() + i * entry_size; }
    [[nodiscard]] uint64_t greatest_last(size_t i) const;
    // How many begin at or before `offset`.
    [[nodiscard]] size_t count_up_to(uint64_t offset) const;
    // The place of the first entry that is not less.
    [[nodiscard]] size_t lower_bound(uint64_t offset, uint64_t last, uint64_t open_id) const;
    // Sets the greatest last bytes from `i` on: to the end, or until one has been right already and nothing else was changed.
    enum class Until : bool { right, end };
    void update_from(size_t i, Until until);

    std::vector<uint8_t>& bytes_;
};

template <class F>
void LockArray::remove_if(F unwanted) {
    size_t kept = 0;
    const size_t count = size();
    for (size_t i = 0; i < count; i++) {
        if (unwanted(at(i))) continue;
        if (kept != i) std::memcpy(entry(kept), entry(i), entry_size);
        kept++;
    }
    if (kept == count) return;
    bytes_.resize(kept * entry_size);
    update_from(0, Until::end);
}

template <class F>
void LockArray::for_each_overlap(uint64_t first, uint64_t last, F visit) const {
    for (size_t i = count_up_to(last); i > 0 && greatest_last(i - 1) >= first; i--) {
        const LockEntry found = at(i - 1);
        if (found.last >= first && !visit(found)) return;
    }
}

}  // namespace Atoll::fsa
