// The free space of a TDB file: a list of free records, found again by their tailers when a neighbour is freed.
//
// Whoever changes the structure of the file (which records there are, and which chain or list links them) holds the free list's lock, so
// under it the structure stands still. Every change is made of single-word stores in an order that leaves, whenever the process is
// killed, a file that repair() makes whole: docs/formats/tdb.md, "When a process dies".
#pragma once

#include <bit>

#include "base/result.h"
#include "tdb/file/chain_locks.h"
#include "tdb/file/mapping.h"

namespace Atoll::tdb {

class FreeList {
 public:
    FreeList(Mapping& mapping, ChainLocks& locks) : mapping_(mapping), locks_(locks) {}

    // Holds the free list's lock; what a dead owner left has been repaired.
    class [[nodiscard]] Guard {
     public:
        explicit Guard(ChainLocks& locks) : locks_(&locks) {}
        Guard(Guard&& other) noexcept : locks_(std::exchange(other.locks_, nullptr)) {}
        Guard& operator=(Guard&&) = delete;
        ~Guard() {
            if (locks_) locks_->unlock_free_list();
        }

     private:
        ChainLocks* locks_;
    };
    Result<Guard> lock();
    // fcntl mode: for those who may not write.
    Result<Guard> lock_for_reading();

    // The rest is called with the lock held.

    // A dead record, in no chain yet, with room for `payload` bytes of key and value; its full_hash is `hash`.
    Result<Offset> take(uint64_t payload, uint32_t hash);
    // Frees a dead record that no chain links any more.
    Result<void> give(Offset offset);
    // Makes the record [offset, offset + size) a free one: of new space, or space that nothing links.
    void make_free(Offset offset, uint32_t size);
    // After the death of a process that held the lock: free records that nothing links are found by walking the file, and the list is
    // made anew.
    Result<void> repair();

    // Makes a free record of what lies behind the last record: of space that a process which died, or was undone, had added. Frees recovery
    // areas that nobody knows, if it finds any. Cheap where there is no such space.
    Result<void> adopt_end();
    // More records than `limit` are free. Walks that far.
    [[nodiscard]] bool is_longer_than(uint64_t limit);
    // True once after a search for space that met many free records which were too small.
    [[nodiscard]] bool searched_long() { return std::exchange(searched_long_, false); }

    // The record at `offset` lies inside the file and its length does not leave it.
    [[nodiscard]] bool is_record(Offset offset) {
        if (offset % 4 != 0 || offset < data_start(mapping_.header().hash_size)) return false;
        if (!mapping_.contains(offset, sizeof(RecordHeader))) return false;
        const uint32_t rec_len = mapping_.record(offset).rec_len;
        return rec_len >= sizeof(Tailer) && rec_len % 4 == 0 && mapping_.contains(offset + uint64_t{sizeof(RecordHeader)}, rec_len);
    }

 private:
    struct Candidate {
        Offset link = 0;    // the word that points to it
        Offset offset = 0;  // 0: none
    };
    Result<Candidate> find(uint32_t rec_len, bool& merged);
    // The free record that ends where this one starts, or 0.
    Offset free_left_of(Offset offset);
    void absorb(Offset left, Offset right);
    Offset carve(Offset offset, uint32_t rec_len, uint32_t hash);
    Result<void> grow(uint32_t rec_len);
    Result<void> disown_unlinked_end(Offset end);
    [[nodiscard]] bool ends_with_record(uint64_t end);
    Result<bool> is_linked_behind(Offset offset);
    Result<bool> is_in_chain(Offset offset);
    Result<void> repair_record(Offset offset, Offset& left_free);
    void write_tailer(Offset offset);

    Mapping& mapping_;
    ChainLocks& locks_;
    bool searched_long_ = false;
};

// The length of a record for so much key and value. Records are as long as one or more of the processor's cache lines and start where one
// does, so that a look at a header and a key is a look at one line; above four lines there are two sizes between powers of two (256, 384,
// 512, 768, ...): a record whose value changes its size a little keeps its place.
constexpr uint64_t record_alignment = 64;
constexpr uint64_t record_length(uint64_t payload) {
    const uint64_t need = sizeof(RecordHeader) + payload + sizeof(Tailer);
    const uint64_t half = std::bit_floor(need - 1) / 2;
    const uint64_t step = half > record_alignment ? half : record_alignment;
    return (need + step - 1) / step * step - sizeof(RecordHeader);
}

}  // namespace Atoll::tdb
