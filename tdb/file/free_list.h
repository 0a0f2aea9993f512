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

    // The record at `offset` lies inside the file and its length does not leave it.
    [[nodiscard]] bool is_record(Offset offset);

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
    Result<bool> is_in_chain(Offset offset);
    Result<void> repair_record(Offset offset, Offset& left_free);
    void write_tailer(Offset offset);

    Mapping& mapping_;
    ChainLocks& locks_;
};

// What a payload and the tailer need, rounded up to one of two sizes between powers of two (32, 48, 64, 96, 128, 192, ...): a record whose
// value changes its size a little keeps finding room in the dead records of its chain.
constexpr uint64_t record_length(uint64_t payload) {
    const uint64_t need = payload + sizeof(Tailer) < 32 ? 32 : payload + sizeof(Tailer);
    const uint64_t step = std::bit_floor(need - 1) / 2;
    return (need + step - 1) / step * step;
}

}  // namespace Atoll::tdb
