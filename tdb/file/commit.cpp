#include "tdb/file/commit.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/log.h"

namespace Atoll::tdb {
namespace {

constexpr uint64_t entry_size = 8;  // offset and length before the bytes that they tell of
constexpr uint8_t zeros[Mapping::page_size] = {};

Offset magic_word(Offset record) { return record + static_cast<Offset>(offsetof(RecordHeader, magic)); }

void append_entry(Buffer& out, uint64_t offset, Bytes bytes) {
    uint8_t head[entry_size];
    store_le<uint32_t>(head, static_cast<uint32_t>(offset));
    store_le<uint32_t>(head + 4, static_cast<uint32_t>(bytes.size()));
    out.append(head);
    out.append(bytes);
}

}  // namespace

bool Commit::is_pending(Offset area) {
    return area % 4 == 0 && mapping_.contains(area, sizeof(RecordHeader)) && mapping_.load(magic_word(area)) == record_recovery;
}

Result<void> Commit::put(uint64_t offset, Bytes bytes) {
    const int outcome = disk_->write(mapping_.fd(), mapping_.mutex_size() + offset, bytes);
    if (outcome != 0) return fail_errno(outcome, mapping_.name(), "cannot write");
    return {};
}

Result<void> Commit::put_word(Offset offset, uint32_t value) {
    uint8_t bytes[4];
    store_le<uint32_t>(bytes, value);
    return put(offset, bytes);
}

Result<void> Commit::sync() {
    if (!sync_) return {};
    if (const int outcome = disk_->sync(mapping_.fd()); outcome != 0)
        return fail_errno(outcome, mapping_.name(), "cannot get what was written to the disk");
    return {};
}

// What differs between the private view and the file

// From the first byte of the page that differs to the last.
void Commit::add_changes_of(uint32_t page) {
    const uint64_t start = page * Mapping::page_size;
    const uint8_t* changed = mapping_.at(start);
    const uint8_t* old = start < mapping_.shared_size() ? mapping_.shared_at(start) : zeros;
    size_t first = 0, end = std::min<uint64_t>(Mapping::page_size, mapping_.size() - start);
    while (first + 8 <= end && std::memcmp(changed + first, old + first, 8) == 0) first += 8;
    while (first < end && changed[first] == old[first]) first++;
    if (first == end) return;
    while (end >= first + 8 && std::memcmp(changed + end - 8, old + end - 8, 8) == 0) end -= 8;
    while (changed[end - 1] == old[end - 1]) end--;
    if (!changes_.empty() && changes_.back().end + entry_size >= start + first) {
        changes_.back().end = start + end;
    } else {
        changes_.push_back({start + first, start + end});
    }
}

void Commit::find_changes() {
    changes_.clear();
    for (const uint32_t page : mapping_.changed_pages()) {
        if (page * Mapping::page_size < mapping_.size()) add_changes_of(page);
    }
}

uint64_t Commit::saved_size() const {
    const uint64_t old_size = mapping_.shared_size();
    uint64_t size = sizeof(Tailer);
    for (const Range& change : changes_) {
        if (change.begin < old_size) size += entry_size + std::min(change.end, old_size) - change.begin;
    }
    return size + (mapping_.size() > old_size ? entry_size + sizeof(RecordHeader) : 0);
}

// The recovery area that there is, or a new one behind everything else; the old one then becomes free with the transaction.
Result<void> Commit::choose_area() {
    FileHeader& header = mapping_.edit_header();
    old_area_ = area_ = header.recovery_start;
    new_area_ = area_ == 0 || !space_.is_record(area_) || mapping_.record(area_).magic != record_recovery_idle;
    find_changes();
    if (!new_area_) {
        area_length_ = mapping_.record(area_).rec_len;
        if (saved_size() + kept_ <= area_length_) return {};
        new_area_ = true;
        space_.make_free(area_, area_length_ + static_cast<uint32_t>(sizeof(RecordHeader)));
        header.recovery_start = 0;
        find_changes();
    }
    const uint64_t start = (mapping_.size() + 3) & ~uint64_t{3};
    // The header's word for it may make one change more, or one longer.
    const uint64_t room = std::max(saved_size() * 3 / 2, limits::min_recovery_area) + sizeof(RecordHeader) + sizeof(FileHeader) + kept_;
    const uint64_t end = (start + room + Mapping::page_size - 1) / Mapping::page_size * Mapping::page_size;
    if (end > max_data_size) return fail(Code::no_space, mapping_.name(), "no room for the recovery area: the file would exceed 4 GiB");
    area_ = static_cast<Offset>(start);
    area_length_ = static_cast<uint32_t>(end - start - sizeof(RecordHeader));
    header.recovery_start = area_;
    find_changes();
    ATOLL_ASSERT(saved_size() + kept_ <= area_length_);
    return {};
}

// The recovery area's header and contents.
void Commit::save(Buffer& out) const {
    const uint64_t old_size = mapping_.shared_size();
    const uint64_t data_len = saved_size();
    out.resize(sizeof(RecordHeader));
    const RecordHeader header{0, area_length_, static_cast<uint32_t>(old_size), static_cast<uint32_t>(data_len), 0, record_recovery_idle};
    std::memcpy(out.data(), &header, sizeof header);
    for (const Range& change : changes_) {
        if (change.begin >= old_size) continue;
        append_entry(out, change.begin, {mapping_.shared_at(change.begin), std::min(change.end, old_size) - change.begin});
        // Where the recovery area is stays known while it is being used.
        if (change.begin <= recovery_start_word && change.end >= recovery_start_word + 4) {
            store_le<uint32_t>(out.data() + out.size() - (std::min(change.end, old_size) - recovery_start_word), area_);
        }
    }
    // What the transaction added becomes zeros again, which are nothing.
    if (mapping_.size() > old_size) append_entry(out, old_size, {zeros, sizeof(RecordHeader)});
    uint8_t size[4];
    store_le<uint32_t>(size, area_length_ + static_cast<uint32_t>(sizeof(RecordHeader)));
    out.append(size);
    ATOLL_ASSERT(out.size() == sizeof(RecordHeader) + data_len);
}

// From here on the file is one that is to be recovered. A new area is announced in the order that lets other programs' checks be content
// with what a process that dies in between leaves: behind added space it is nothing until the header tells of it, at the old end of the
// file it is one that is idle.
Result<void> Commit::announce() {
    const bool behind_space = mapping_.size() > mapping_.shared_size();
    auto announced = sync();
    if (announced && new_area_ && !behind_space) announced = put_word(recovery_start_word, area_);
    if (announced && new_area_ && !behind_space) announced = sync();
    if (announced) announced = put_word(magic_word(area_), record_recovery);
    if (announced) announced = sync();
    if (announced && new_area_ && behind_space) announced = put_word(recovery_start_word, area_);
    if (announced && new_area_ && behind_space) announced = sync();
    return announced;
}

Result<void> Commit::prepare() {
    // Numbers that others counted without a lock are not taken back.
    FileHeader& header = mapping_.edit_header();
    const uint32_t theirs = mapping_.shared_word(offsetof(FileHeader, sequence_number));
    if (static_cast<int32_t>(header.sequence_number - theirs) < 0) header.sequence_number = theirs;
    if (auto chosen = choose_area(); !chosen) return chosen;
    const uint64_t old_size = mapping_.shared_size();
    const uint64_t new_size = new_area_ ? area_ + sizeof(RecordHeader) + area_length_ : mapping_.size();
    Buffer saved;
    save(saved);
    Result<void> outcome;
    if (new_size > old_size) {
        const int allocated = disk_->allocate(mapping_.fd(), mapping_.mutex_size() + old_size, new_size - old_size);
        if (allocated != 0) outcome = fail_errno(allocated, mapping_.name(), "cannot make the file larger");
    }
    if (outcome) outcome = put(area_, saved);
    if (outcome) outcome = announce();
    if (!outcome) abandon();
    return outcome;
}

// Nothing that was there has been changed; what was added goes. These words are written by the map, which cannot fail: they count for all
// processes at once, and on a disk that does not take them recovery would restore what is there.
void Commit::abandon() {
    if (area_ < mapping_.shared_size()) mapping_.publish_shared(magic_word(area_), record_recovery_idle);
    mapping_.publish_shared(recovery_start_word, old_area_);
    if (auto undone = sync(); !undone) {
        log_warning("{}", undone.error().message());
        return;
    }
    (void)disk_->truncate(mapping_.fd(), mapping_.mutex_size() + mapping_.shared_size());
}

Result<void> Commit::write() {
    Result<void> outcome;
    for (const Range& change : changes_) {
        if (outcome) outcome = put(change.begin, {mapping_.at(change.begin), change.end - change.begin});
    }
    if (outcome) outcome = sync();
    if (outcome) outcome = put_word(magic_word(area_), record_recovery_idle);
    if (outcome) outcome = sync();
    if (outcome) return outcome;
    // The end of a commit may have been written without being safe: it is taken back, by the map as in abandon().
    const uint64_t old_size = mapping_.shared_size();
    mapping_.publish_shared(magic_word(area_), record_recovery);
    mapping_.end_private();
    if (auto undone = recover(); undone) {
        (void)disk_->truncate(mapping_.fd(), mapping_.mutex_size() + old_size);
    } else {
        log_warning("{}: a transaction that failed is still to be undone: {}", mapping_.name(), undone.error().text);
    }
    return outcome;
}

// Recovery

// Nothing of a recovery area that makes no sense is used.
Result<void> Commit::check_saved(Bytes saved, Offset area) {
    uint64_t left = saved.size() - sizeof(Tailer);
    for (const uint8_t* at = saved.data(); left > 0;) {
        const bool entry = left >= entry_size;
        const uint64_t offset = entry ? load_le<uint32_t>(at) : 0, length = entry ? load_le<uint32_t>(at + 4) : 0;
        if (!entry || length > left - entry_size || !mapping_.contains(offset, length))
            return fail(Code::corrupt, mapping_.name(), fmt::format("the recovery area at offset {} makes no sense", area));
        at += entry_size + length;
        left -= entry_size + length;
    }
    return {};
}

// Writes bytes, but not those in the hole.
Result<void> Commit::put_around(uint64_t offset, Bytes bytes, uint64_t hole, uint64_t hole_end) {
    const uint64_t end = offset + bytes.size();
    if (end <= hole || offset >= hole_end) return put(offset, bytes);
    if (offset < hole) {
        if (auto done = put(offset, bytes.first(hole - offset)); !done) return done;
    }
    if (end > hole_end) return put(hole_end, bytes.subspan(hole_end - offset));
    return {};
}

Result<void> Commit::restore(Bytes saved, Offset area) {
    for (size_t at = 0; saved.size() - at > sizeof(Tailer);) {
        const uint32_t offset = load_le<uint32_t>(saved.data() + at), length = load_le<uint32_t>(saved.data() + at + 4);
        Bytes bytes = saved.subspan(at + entry_size, length);
        at += entry_size + length;
        if (offset < recovery_start_word + 4 && uint64_t{offset} + length > recovery_start_word) {
            // It changes last, and by itself.
            if (auto done = put_around(offset, bytes, recovery_start_word, recovery_start_word + 4); !done) return done;
        } else if (auto done = put_around(offset, bytes, area, area + sizeof(RecordHeader)); !done) {
            return done;
        }
    }
    return {};
}

// What was added since the file had `old_size` bytes neither starts nor ends as a record does.
Result<void> Commit::clear_ends(uint64_t old_size, Offset area) {
    const uint64_t end = mapping_.size() & ~uint64_t{3};
    if (old_size + sizeof(RecordHeader) > end) return {};
    if (area >= old_size + sizeof(RecordHeader) || area < old_size) {
        if (auto done = put(old_size, {zeros, sizeof(RecordHeader)}); !done) return done;
    }
    if (area + sizeof(RecordHeader) + mapping_.record(area).rec_len == end) return {};
    return put_word(static_cast<Offset>(end - sizeof(Tailer)), 0);
}

Result<void> Commit::recover() {
    ATOLL_ASSERT(!mapping_.is_private());
    if (auto sized = mapping_.refresh_size(); !sized) return sized;
    if (!recovery_pending()) return {};
    const Offset area = mapping_.load(recovery_start_word);
    if (!space_.is_record(area)) return fail(Code::corrupt, mapping_.name(), "the recovery area lies outside the file");
    const RecordHeader header = mapping_.record(area);
    if (header.data_len > header.rec_len || header.data_len < sizeof(Tailer) || header.key_len > mapping_.size() ||
        header.key_len < data_start(mapping_.header().hash_size))
        return fail(Code::corrupt, mapping_.name(), "the header of the recovery area makes no sense");
    Buffer saved;  // a copy: among what is put back may be bytes of the area itself
    saved.append({mapping_.at(area + sizeof(RecordHeader)), header.data_len});
    if (auto checked = check_saved(saved, area); !checked) return checked;
    const uint64_t old_size = header.key_len;
    auto outcome = restore(saved, area);
    if (outcome) outcome = clear_ends(old_size, area);
    if (outcome) outcome = sync();
    if (outcome) outcome = put_word(magic_word(area), record_recovery_idle);
    if (outcome && area >= old_size) outcome = put_word(recovery_start_word, 0);
    if (outcome) outcome = sync();
    if (!outcome) return outcome;
    log_notice("{}: undid a transaction that a process died in", mapping_.name());
    return {};
}

}  // namespace Atoll::tdb
