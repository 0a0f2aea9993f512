// Replacing a value where it stands, in a file with mutexes: a process that dies in the middle of it leaves the old value or the new one.
//
// The new value is first written to a slot of the file's own, which says then that it is whole; if its process dies before the record has
// been overwritten, the chain's next owner does that (finish). The slots lie at the end of the recovery area, where nothing that counts is
// while no transaction is being committed: docs/formats/tdb.md, "When a process dies". A commit has all chains, and so no slot is in use.
#pragma once

#include <cstdint>

#include "base/buffer.h"
#include "tdb/file/free_list.h"
#include "tdb/file/mapping.h"

namespace Atoll::tdb {

class Overwrite {
 public:
    static constexpr uint32_t slot_count = 32;  // processes that overwrite at the same moment; others write a second record
    static constexpr uint32_t slot_size = 1024;
    static constexpr uint32_t max_value = slot_size - 24;
    // Bytes at the end of a recovery area that are for the slots; among them what aligns them.
    static constexpr uint32_t room = slot_count * slot_size + 64 + sizeof(Tailer);

    Overwrite(Mapping& mapping, FreeList& space) : mapping_(mapping), space_(space) {}

    // Each process begins at another slot.
    void begin_at(uint32_t number) { at_ = number % slot_count; }

    // The caller holds the record's chain for writing, and the record has room for the value, which may be its own. False: there is no slot
    // to be had, and nothing has been done.
    bool put(Offset record, uint32_t chain, Bytes value);
    // What a process left that died with this chain, which the caller holds now.
    void finish(uint32_t chain, uint32_t hash_size);

 private:
    struct Slot;
    // nullptr: the file has none.
    Slot* slots();
    Slot* claim(uint32_t chain);
    bool is_whole(const Slot& slot, uint32_t chain, uint32_t hash_size);
    void write(Offset record, Bytes value);

    Mapping& mapping_;
    FreeList& space_;
    uint32_t at_ = 0;
};

}  // namespace Atoll::tdb
