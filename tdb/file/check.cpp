// FileDatabase::check and rescue: the whole file, list by list and then place by place.
#include <algorithm>
#include <cstring>
#include <vector>

#include "base/log.h"
#include "tdb/file/file_database.h"

namespace Atoll::tdb {

// What the chains, the free list and the header link, and where it lies.
struct FileDatabase::Census {
    struct Entry {
        Offset offset;
        uint32_t size;
    };
    std::vector<Entry> entries;
};

Result<uint64_t> FileDatabase::check() {
    if (whole_ != Whole::none) return check_locked();
    ATOLL_ASSERT(!any_held());
    if (auto taken = take_all(Intent::read, true); !taken) return taken.failure();
    auto records = check_locked();
    locks_.unlock_all();
    return records;
}

Result<uint64_t> FileDatabase::check_locked() {
    if (auto sized = mapping_.refresh_size(); !sized) return sized.failure();
    Census census;
    if (auto header = check_header(census); !header) return header.failure();
    if (auto free = check_free_list(census); !free) return free.failure();
    uint64_t records = 0;
    for (uint32_t chain = 0; chain < hash_size_; chain++) {
        auto checked = check_chain(chain, census);
        if (!checked) return checked;
        records += *checked;
    }
    if (auto places = check_places(census); !places) return places.failure();
    return records;
}

Result<void> FileDatabase::check_header(Census& census) {
    const FileHeader& header = mapping_.header();
    const bool features = header.rwlocks == features_in_header;
    const bool unused = std::all_of(std::begin(header.reserved), std::end(header.reserved), [](uint32_t word) { return word == 0; });
    if (std::memcmp(header.magic, file_magic, sizeof file_magic) != 0 || header.version != file_version || !unused ||
        (!features && (header.feature_flags != 0 || header.mutex_size != 0)))
        return failed(Code::corrupt, "the header is damaged");
    if (mapping_.mutex_size() != 0) {
        FileHeader outer;
        std::memcpy(&outer, mapping_.mutex_area(), sizeof outer);
        outer.recovery_start = header.recovery_start;  // only the inner one's count
        outer.sequence_number = header.sequence_number;
        if (std::memcmp(&outer, &header, sizeof outer) != 0) return failed(Code::corrupt, "the two headers of the TDB file differ");
    }
    const Offset area = header.recovery_start;
    if (area == 0) return {};
    if (!space_.is_record(area)) return failed(Code::corrupt, "the recovery area lies outside the file");
    const RecordHeader& record = mapping_.record(area);
    if ((record.magic != record_recovery_idle && record.magic != record_recovery) || record.data_len > record.rec_len)
        return failed(Code::corrupt, fmt::format("no recovery area starts at offset {}", area));
    census.entries.push_back({area, static_cast<uint32_t>(sizeof(RecordHeader)) + record.rec_len});
    return {};
}

// A record that a list links: its size stands at its end too.
Result<void> FileDatabase::count_in(Offset offset, Census& census) {
    const uint32_t size = static_cast<uint32_t>(sizeof(RecordHeader)) + mapping_.record(offset).rec_len;
    if (mapping_.load(offset + size - static_cast<Offset>(sizeof(Tailer))) != size)
        return failed(Code::corrupt, fmt::format("the record at offset {} does not end as it should", offset));
    census.entries.push_back({offset, size});
    return {};
}

Result<void> FileDatabase::check_free_list(Census& census) {
    Steps steps;
    for (Offset offset = mapping_.load(free_list_head); offset != 0; offset = mapping_.record(offset).next) {
        if (!steps.next(mapping_)) return failed(Code::corrupt, "the free list has a loop");
        if (!space_.is_record(offset) || mapping_.record(offset).magic != record_free)
            return failed(Code::corrupt, fmt::format("the free list links offset {}, where no free record is", offset));
        if (auto counted = count_in(offset, census); !counted) return counted;
    }
    return {};
}

Result<uint64_t> FileDatabase::check_chain(uint32_t chain, Census& census) {
    uint64_t live = 0;
    std::vector<Bytes> keys;
    Offset link = chain_head(chain);
    for (Steps steps;;) {
        if (!steps.next(mapping_)) return failed(Code::corrupt, fmt::format("chain {} has a loop", chain));
        auto offset = follow(link, chain);
        if (!offset) return offset.failure();
        if (*offset == 0) break;
        if (auto counted = count_in(*offset, census); !counted) return counted.failure();
        const RecordHeader& record = mapping_.record(*offset);
        if (record.full_hash % hash_size_ != chain)
            return failed(Code::corrupt, fmt::format("the record at offset {} is in the wrong chain", *offset));
        if (record.magic == record_live) {
            live++;
            keys.push_back(key_of(*offset));
            if (hash_(keys.back()) != record.full_hash)
                return failed(Code::corrupt, fmt::format("the hash of the record at offset {} is wrong", *offset));
        }
        link = *offset + static_cast<Offset>(offsetof(RecordHeader, next));
    }
    std::sort(keys.begin(), keys.end(), [](Bytes a, Bytes b) { return as_text(a) < as_text(b); });
    for (size_t i = 1; i < keys.size(); i++) {
        if (as_text(keys[i - 1]) == as_text(keys[i]))
            return failed(Code::corrupt, fmt::format("chain {} has two records of one key", chain));
    }
    return live;
}

// What is linked does not overlap, and between it is nothing that looks as if it had to be linked.
Result<void> FileDatabase::check_places(Census& census) {
    auto& entries = census.entries;
    std::sort(entries.begin(), entries.end(), [](const Census::Entry& a, const Census::Entry& b) { return a.offset < b.offset; });
    uint64_t at = data_start(hash_size_);
    bool behind_area = false;
    for (const Census::Entry& entry : entries) {
        if (entry.offset < at) return failed(Code::corrupt, fmt::format("offset {} is used twice", entry.offset));
        if (behind_area && at < entry.offset) return failed(Code::corrupt, fmt::format("no record starts at offset {}", at));
        if (auto gap = check_gap(at, entry.offset); !gap) return gap;
        behind_area = entry.offset == mapping_.header().recovery_start;
        at = uint64_t{entry.offset} + entry.size;
    }
    return check_gap(at, mapping_.size());
}

// [at, end), which nothing links. It is left over from a transaction that was undone, or from a process that died while it added space: it
// starts with a recovery area that is not used any more, or with zeros. (docs/formats/tdb.md, "Transactions")
Result<void> FileDatabase::check_gap(uint64_t at, uint64_t end) {
    while (at + sizeof(RecordHeader) <= end) {
        const auto offset = static_cast<Offset>(at);
        const RecordHeader& record = mapping_.record(offset);
        const bool area = record.magic == record_recovery || (record.magic == record_recovery_idle && record.data_len != 0);
        if (!area) break;
        // One that begins where the file ended then, and was not made whole.
        if (record.key_len == offset && end == mapping_.size() && offset + sizeof(RecordHeader) + record.rec_len > end) return {};
        if (!space_.is_record(offset)) break;
        at += sizeof(RecordHeader) + record.rec_len;
    }
    if (at > end) return failed(Code::corrupt, fmt::format("an old recovery area ends at offset {}, inside a record", at));
    const Bytes start{mapping_.at(at), std::min<uint64_t>(end - at, sizeof(RecordHeader))};
    if (std::all_of(start.begin(), start.end(), [](uint8_t byte) { return byte == 0; })) return {};
    if (space_.is_record(static_cast<Offset>(at))) return failed(Code::corrupt, fmt::format("nothing links the record at offset {}", at));
    return failed(Code::corrupt, fmt::format("no record starts at offset {}", at));
}

Result<uint64_t> FileDatabase::rescue(Visitor visitor) {
    Result<WholeLock> lock = whole_ == Whole::none ? lock_all(Intent::read) : Result<WholeLock>(WholeLock(*this, false));
    if (!lock) return lock.failure();
    if (auto sized = mapping_.refresh_size(); !sized) return sized.failure();
    uint64_t seen = 0;
    for (uint64_t at = data_start(hash_size_); at + sizeof(RecordHeader) <= mapping_.size();) {
        const auto offset = static_cast<Offset>(at);
        const RecordHeader& record = mapping_.record(offset);
        const bool whole = record.magic == record_live && space_.is_record(offset) &&
                           uint64_t{record.key_len} + record.data_len + sizeof(Tailer) <= record.rec_len &&
                           hash_(key_of(offset)) == record.full_hash;
        at += whole ? sizeof(RecordHeader) + record.rec_len : sizeof(uint32_t);
        if (!whole) continue;
        seen++;
        if (visitor(key_of(offset), value_of(offset)) == Visit::stop) break;
    }
    return seen;
}

}  // namespace Atoll::tdb
