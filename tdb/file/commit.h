// How a transaction reaches the file, and how a file is put back as it was before one: the recovery area (docs/formats/tdb.md,
// "Transactions"). Only called while this process holds all chains for writing and byte lock_open, or is alone with the file.
#pragma once

#include <vector>

#include "base/result.h"
#include "tdb/file/disk.h"
#include "tdb/file/free_list.h"
#include "tdb/file/mapping.h"

namespace Atoll::tdb {

class Commit {
 public:
    Commit(Mapping& mapping, FreeList& space) : mapping_(mapping), space_(space) {}
    // `sync`: wait for the disk. The last `kept` bytes of a recovery area are not used for commits.
    void use(Disk& disk, bool sync, uint32_t kept) {
        disk_ = &disk;
        sync_ = sync;
        kept_ = kept;
    }

    // A process died in the middle of a commit, or this one's could neither be finished nor undone. Without a lock it may be a live one's.
    [[nodiscard]] bool recovery_pending() {
        const Offset area = mapping_.load(recovery_start_word);
        return __builtin_expect(area != 0, 0) && is_pending(area);
    }
    // Undoes what recovery_pending() found. What the file had grown by stays, as zeros that nothing links (FreeList::adopt_end).
    // Code::corrupt if the recovery area makes no sense; nothing is changed then.
    Result<void> recover();

    // Everything before the first change of what is there: makes room, and saves what will be changed. On failure the file is as it was.
    Result<void> prepare();
    // After prepare(), one of these. A write that fails puts everything back, or leaves that to the next who comes; it ends the private
    // view.
    Result<void> write();
    void abandon();

 private:
    struct Range {
        uint64_t begin;
        uint64_t end;
    };
    static constexpr Offset recovery_start_word = offsetof(FileHeader, recovery_start);

    [[nodiscard]] bool is_pending(Offset area);
    Result<void> put(uint64_t offset, Bytes bytes);
    Result<void> put_word(Offset offset, uint32_t value);
    Result<void> sync();

    void find_changes();
    void add_changes_of(uint32_t page);
    [[nodiscard]] uint64_t saved_size() const;
    Result<void> choose_area();
    void save(Buffer& out) const;
    Result<void> announce();

    Result<void> check_saved(Bytes saved, Offset area);
    Result<void> restore(Bytes saved, Offset area);
    Result<void> clear_ends(uint64_t old_size, Offset area);
    Result<void> put_around(uint64_t offset, Bytes bytes, uint64_t hole, uint64_t hole_end);

    Mapping& mapping_;
    FreeList& space_;
    Disk* disk_ = &Disk::system();
    bool sync_ = true;
    uint32_t kept_ = 0;
    std::vector<Range> changes_;
    Offset area_ = 0;
    uint32_t area_length_ = 0;  // rec_len
    bool new_area_ = false;
    Offset old_area_ = 0;  // what recovery_start was
};

}  // namespace Atoll::tdb
