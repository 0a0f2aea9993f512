#include "tdb/file/free_list.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/limits.h"
#include "base/log.h"

namespace Atoll::tdb {
namespace {

constexpr uint64_t header_size = sizeof(RecordHeader);

uint32_t total(const RecordHeader& record) { return record.rec_len + static_cast<uint32_t>(header_size); }
Offset next_word(Offset record) { return record + static_cast<Offset>(offsetof(RecordHeader, next)); }
Offset length_word(Offset record) { return record + static_cast<Offset>(offsetof(RecordHeader, rec_len)); }
Offset magic_word(Offset record) { return record + static_cast<Offset>(offsetof(RecordHeader, magic)); }
bool is_used(uint32_t magic) { return magic == record_live || magic == record_dead || magic == record_free; }

}  // namespace

Result<FreeList::Guard> FreeList::lock() {
    const Taken taken = locks_.lock_free_list();
    if (taken == Taken::failed) return fail_errno(errno, mapping_.name(), "cannot lock the free list");
    Guard guard(locks_);
    if (taken == Taken::from_dead) {
        log_notice("{}: a process died while changing the free list; repairing it", mapping_.name());
        if (auto repaired = repair(); !repaired) return repaired.failure();
    }
    return guard;
}

Result<FreeList::Guard> FreeList::lock_for_reading() {
    if (!locks_.lock_free_list_for_reading()) return fail_errno(errno, mapping_.name(), "cannot lock the free list");
    return Guard(locks_);
}

void FreeList::write_tailer(Offset offset) {
    const uint32_t size = total(mapping_.record(offset));
    mapping_.publish(offset + size - 4, size);
}

Offset FreeList::free_left_of(Offset offset) {
    const Offset start = data_start(mapping_.header().hash_size);
    if (offset < start + min_record) return 0;
    const Tailer size = mapping_.load(offset - 4);
    if (size < header_size + sizeof(Tailer) || size > offset - start) return 0;
    const Offset left = offset - size;
    if (!is_record(left)) return 0;
    // What a recovery area holds are copies of records.
    const Offset area = mapping_.header().recovery_start;
    if (area != 0 && left >= area && is_record(area) && left < area + total(mapping_.record(area))) return 0;
    const RecordHeader& record = mapping_.record(left);
    return record.magic == record_free && total(record) == size ? left : 0;
}

// Adds the record to the right, which nothing links, to the free record on its left. One store makes it so.
void FreeList::absorb(Offset left, Offset right) {
    const uint32_t size = total(mapping_.record(left)) + total(mapping_.record(right));
    mapping_.publish(left + size - 4, size);
    mapping_.publish(length_word(left), size - static_cast<uint32_t>(header_size));
}

// The smallest free record of at least rec_len among the first that fit; merges neighbours on its way, which sets `merged`.
Result<FreeList::Candidate> FreeList::find(uint32_t rec_len, bool& merged) {
    Candidate best;
    Offset link = free_list_head;
    Steps steps;
    for (size_t seen = 0;; seen++) {
        if (seen > limits::max_free_list_search) searched_long_ = true;
        const Offset offset = mapping_.load(link);
        if (offset == 0) return best;
        if (!steps.next(mapping_)) return fail(Code::corrupt, mapping_.name(), "the free list has a loop");
        if (!is_record(offset) || mapping_.record(offset).magic != record_free) {
            return fail(Code::corrupt, mapping_.name(), "the free list points to what is not a free record");
        }
        if (const Offset left = free_left_of(offset)) {
            mapping_.publish(link, mapping_.load(next_word(offset)));
            absorb(left, offset);
            merged = true;
            continue;
        }
        const uint32_t length = mapping_.record(offset).rec_len;
        if (length >= rec_len && (best.offset == 0 || length < mapping_.record(best.offset).rec_len)) best = {link, offset};
        if (best.offset != 0 && (seen >= limits::max_free_list_search || mapping_.record(best.offset).rec_len < rec_len + min_record))
            return best;
        link = next_word(offset);
    }
}

// Space that nothing links may end in bytes that read as a free record (of a transaction that was undone before all of it was written).
// What is added behind it would be merged into that and lost, so such an end is made unreadable.
Result<void> FreeList::disown_unlinked_end(Offset end) {
    const Offset left = free_left_of(end);
    if (left == 0) return {};
    Offset offset = mapping_.load(free_list_head);
    for (Steps steps; offset != 0 && offset != left; offset = mapping_.load(next_word(offset))) {
        if (!steps.next(mapping_) || !is_record(offset))
            return fail(Code::corrupt, mapping_.name(), "the free list has a loop or leaves the file");
    }
    if (offset == 0) mapping_.publish(end - static_cast<Offset>(sizeof(Tailer)), 0);
    return {};
}

Result<void> FreeList::grow(uint32_t rec_len) {
    if (auto sized = mapping_.refresh_size(); !sized) return sized;
    const uint64_t old_size = mapping_.size() & ~uint64_t{3};
    const uint64_t wanted = std::max<uint64_t>(header_size + rec_len, std::min<uint64_t>(old_size / 4, limits::max_tdb_growth));
    uint64_t new_size = (old_size + wanted + 4095) / 4096 * 4096;
    if (new_size > max_data_size) new_size = (old_size + header_size + rec_len + 4095) / 4096 * 4096;
    if (new_size < old_size + min_record) new_size += 4096;
    if (auto disowned = disown_unlinked_end(static_cast<Offset>(old_size)); !disowned) return disowned;
    if (auto grown = mapping_.grow(new_size); !grown) return grown;
    make_free(static_cast<Offset>(old_size), static_cast<uint32_t>(new_size - old_size));
    return {};
}

void FreeList::make_free(Offset offset, uint32_t size) {
    RecordHeader& record = mapping_.edit_record(offset);
    record.next = 0;
    record.key_len = record.data_len = 0;
    mapping_.publish(length_word(offset), size - static_cast<uint32_t>(header_size));
    write_tailer(offset);
    mapping_.publish(magic_word(offset), record_free);
    if (const Offset left = free_left_of(offset)) {
        absorb(left, offset);
        return;
    }
    mapping_.publish(next_word(offset), mapping_.load(free_list_head));
    mapping_.publish(free_list_head, offset);
}

Result<void> FreeList::give(Offset offset) {
    if (!is_record(offset)) return fail(Code::corrupt, mapping_.name(), "a record leaves the file");
    make_free(offset, total(mapping_.record(offset)));
    return {};
}

// Splits a dead record of rec_len off the end of a free one, which stays in the list. The store of its length makes it so.
Offset FreeList::carve(Offset offset, uint32_t rec_len, uint32_t hash) {
    const uint32_t front_size = total(mapping_.record(offset)) - rec_len - static_cast<uint32_t>(header_size);
    const Offset back = offset + front_size;
    mapping_.edit_record(back) = {0, rec_len, 0, 0, hash, record_dead};
    write_tailer(back);
    mapping_.publish(back - 4, front_size);
    mapping_.publish(length_word(offset), front_size - static_cast<uint32_t>(header_size));
    return back;
}

Result<Offset> FreeList::take(uint64_t payload, uint32_t hash) {
    if (payload > limits::max_tdb_record) return fail(Code::no_space, mapping_.name(), "the record is too large for a TDB file");
    const auto rec_len = static_cast<uint32_t>(record_length(payload));
    bool merged = false;
    auto found = find(rec_len, merged);
    // A record that a neighbour was merged into may have been passed before it was large enough.
    if (found && found->offset == 0 && merged) found = find(rec_len, merged);
    if (found && found->offset == 0) {
        if (auto grown = grow(rec_len); !grown) return grown.failure();
        found = find(rec_len, merged);
    }
    if (!found) return found.failure();
    if (found->offset == 0) return fail(Code::corrupt, mapping_.name(), "the free list lost the space that was added");
    RecordHeader& record = mapping_.edit_record(found->offset);
    if (record.rec_len >= rec_len + min_record) return carve(found->offset, rec_len, hash);
    mapping_.publish(found->link, record.next);
    record.key_len = record.data_len = 0;
    record.full_hash = hash;
    mapping_.publish(magic_word(found->offset), record_dead);
    return found->offset;
}

Result<bool> FreeList::is_in_chain(Offset offset) {
    const uint32_t hash_size = mapping_.header().hash_size;
    Offset link = chain_head(mapping_.record(offset).full_hash % hash_size);
    for (Steps steps; steps.next(mapping_);) {
        const Offset at = mapping_.load(link);
        if (at == 0) return false;
        if (at == offset) return true;
        if (!is_record(at)) break;
        link = next_word(at);
    }
    return fail(Code::corrupt, mapping_.name(), "a chain has a loop or leaves the file");
}

// One step of repair(): `left_free` is the free record that ends at `offset`, or 0.
Result<void> FreeList::repair_record(Offset offset, Offset& left_free) {
    RecordHeader& record = mapping_.edit_record(offset);
    write_tailer(offset);
    bool is_free = record.magic == record_free;
    if (record.magic == record_dead) {
        auto linked = is_in_chain(offset);
        if (!linked) return linked.failure();
        is_free = !*linked;
    }
    if (!is_free) {
        left_free = 0;
    } else if (left_free != 0) {
        absorb(left_free, offset);
    } else {
        record.key_len = record.data_len = 0;
        mapping_.publish(magic_word(offset), record_free);
        mapping_.publish(next_word(offset), mapping_.load(free_list_head));
        mapping_.publish(free_list_head, offset);
        left_free = offset;
    }
    return {};
}

Result<void> FreeList::repair() {
    if (auto sized = mapping_.refresh_size(); !sized) return sized;
    const uint64_t end = mapping_.size() & ~uint64_t{3};
    const Offset recovery = mapping_.header().recovery_start;
    mapping_.publish(free_list_head, 0);
    Offset left_free = 0;
    for (uint64_t at = data_start(mapping_.header().hash_size); at + header_size + sizeof(Tailer) <= end;) {
        const auto offset = static_cast<Offset>(at);
        RecordHeader& record = mapping_.edit_record(offset);
        const bool area = record.magic == record_recovery_idle && record.data_len != 0 && is_record(offset);
        if (offset != recovery && area) {
            record.magic = record_free;  // of a transaction that was undone
        } else if (offset != recovery && record.magic == record_recovery_idle) {
            // The owner died between adding space and making it a record: nothing else is behind it but a recovery area.
            const uint64_t space_end = recovery > at ? recovery : end;
            if (space_end - at < header_size + sizeof(Tailer))
                return fail(Code::corrupt, mapping_.name(), fmt::format("no record at offset {}", at));
            record.rec_len = static_cast<uint32_t>(space_end - at - header_size);
            record.magic = record_free;
        }
        if (!is_record(offset)) return fail(Code::corrupt, mapping_.name(), fmt::format("no record at offset {}", at));
        const uint32_t size = total(record);
        if (offset == recovery) {
            left_free = 0;
        } else if (auto repaired = repair_record(offset, left_free); !repaired) {
            return repaired;
        }
        at += size;
    }
    return {};
}

// A record ends at `end`, or at the recovery area that does.
bool FreeList::ends_with_record(uint64_t end) {
    const Offset start = data_start(mapping_.header().hash_size);
    const Offset area = mapping_.header().recovery_start;
    if (area >= start && is_record(area) && area + uint64_t{total(mapping_.record(area))} == end) end = area;
    if (end == start) return true;
    const Tailer size = mapping_.load(static_cast<Offset>(end - sizeof(Tailer)));
    if (size < header_size + sizeof(Tailer) || size > end - start) return false;
    const auto last = static_cast<Offset>(end - size);
    return is_record(last) && total(mapping_.record(last)) == size && is_used(mapping_.record(last).magic);
}

// A chain or the free list links something at `offset` or behind it.
Result<bool> FreeList::is_linked_behind(Offset offset) {
    const uint32_t hash_size = mapping_.header().hash_size;
    for (uint32_t list = 0; list <= hash_size; list++) {
        Offset link = free_list_head + 4 * list;  // the chains' heads follow the free list's
        for (Steps steps; (link = mapping_.load(link)) != 0;) {
            if (link >= offset) return true;
            if (!steps.next(mapping_) || !is_record(link))
                return fail(Code::corrupt, mapping_.name(), "a chain or the free list has a loop or leaves the file");
            link = next_word(link);
        }
    }
    return false;
}

Result<void> FreeList::adopt_end() {
    const uint64_t end = mapping_.size() & ~uint64_t{3};
    if (ends_with_record(end)) return {};
    std::vector<Offset> areas;
    uint64_t at = data_start(mapping_.header().hash_size);
    while (at + header_size <= end && is_record(static_cast<Offset>(at))) {
        const auto offset = static_cast<Offset>(at);
        const RecordHeader& record = mapping_.record(offset);
        const bool idle = record.magic == record_recovery_idle && record.data_len != 0;
        if (!idle && !is_used(record.magic) && offset != mapping_.header().recovery_start) break;
        if (idle && offset != mapping_.header().recovery_start) areas.push_back(offset);
        at += total(record);
    }
    for (const Offset area : areas) make_free(area, total(mapping_.record(area)));
    // With space of this kind in the middle of the file too, what is behind it cannot be told from it.
    auto used = is_linked_behind(static_cast<Offset>(at));
    if (!used) return used.failure();
    if (*used) return {};
    const Offset area = mapping_.header().recovery_start;
    if (area > at && is_record(area)) {
        if (area - at >= min_record) make_free(static_cast<Offset>(at), static_cast<uint32_t>(area - at));
        at = area + total(mapping_.record(area));
    }
    if (end - at >= min_record) make_free(static_cast<Offset>(at), static_cast<uint32_t>(end - at));
    return {};
}

bool FreeList::is_longer_than(uint64_t limit) {
    uint64_t seen = 0;
    for (Offset offset = mapping_.load(free_list_head); offset != 0; offset = mapping_.load(next_word(offset))) {
        if (++seen > limit) return true;
        if (!is_record(offset)) return false;
    }
    return false;
}

}  // namespace Atoll::tdb
