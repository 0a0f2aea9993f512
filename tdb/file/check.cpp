// FileDatabase::check: the whole file, record by record, chain by chain.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/log.h"
#include "tdb/file/file_database.h"

namespace Atoll::tdb {

// Every record that a walk from the first byte to the last meets, in order of offset.
struct FileDatabase::Census {
    struct Entry {
        Offset offset;
        bool linked;
    };
    std::vector<Entry> entries;

    // False if there is no such record, or it was linked before.
    bool link(Offset offset) {
        auto at = std::lower_bound(entries.begin(), entries.end(), offset, [](const Entry& e, Offset o) { return e.offset < o; });
        if (at == entries.end() || at->offset != offset || at->linked) return false;
        at->linked = true;
        return true;
    }
};

Result<uint64_t> FileDatabase::check() {
    ATOLL_ASSERT(!any_held());
    Result<void> repaired;
    const Taken taken = locks_.lock_all_for_reading([&](uint32_t chain) {
        if (auto outcome = repair_chain(chain); !outcome && repaired.ok()) repaired = outcome;
    });
    if (taken == Taken::failed) return fail_errno(errno, name(), "cannot lock all chains");
    Result<uint64_t> records = repaired.ok() ? check_locked() : Result<uint64_t>(repaired.failure());
    locks_.unlock_all();
    return records;
}

Result<uint64_t> FileDatabase::check_locked() {
    if (auto sized = mapping_.refresh_size(); !sized) return sized.failure();
    if (locks_.mutexes()) {
        if (auto repaired = space_.lock(); !repaired) return repaired.failure();  // what a dead owner left
    }
    Census census;
    if (auto taken = take_census(census); !taken) return taken.failure();
    if (auto free = check_free_list(census); !free) return free.failure();
    uint64_t records = 0;
    for (uint32_t chain = 0; chain < hash_size_; chain++) {
        auto checked = check_chain(chain, census);
        if (!checked) return checked;
        records += *checked;
    }
    for (const Census::Entry& entry : census.entries) {
        if (!entry.linked) return failed(Code::corrupt, fmt::format("nothing links the record at offset {}", entry.offset));
    }
    return records;
}

Result<void> FileDatabase::take_census(Census& census) {
    const uint64_t end = mapping_.size();
    uint64_t at = data_start(hash_size_);
    while (at + sizeof(RecordHeader) <= end) {
        const auto offset = static_cast<Offset>(at);
        const RecordHeader& record = mapping_.record(offset);
        const bool used = record.magic == record_live || record.magic == record_dead || record.magic == record_free;
        // data_len, the saved bytes, tells an idle recovery area from zeros before a record.
        const bool recovery = record.magic == record_recovery || (record.magic == record_recovery_idle && record.data_len != 0);
        if (!space_.is_record(offset) || !(used || recovery)) {
            // Zeros are space that was added and not yet made a record when a process died; there may be records behind them.
            if (record.next != 0) return failed(Code::corrupt, fmt::format("no record starts at offset {}", at));
            at += sizeof(uint32_t);
            continue;
        }
        const uint64_t size = sizeof(RecordHeader) + record.rec_len;
        if (used) {
            if (record.magic == record_free && mapping_.load(static_cast<Offset>(at + size - sizeof(Tailer))) != size) {
                return failed(Code::corrupt, fmt::format("the free record at offset {} does not end as it should", at));
            }
            census.entries.push_back({offset, false});
        }
        at += size;
    }
    const Bytes rest{mapping_.at(at), end - at};
    if (!std::all_of(rest.begin(), rest.end(), [](uint8_t byte) { return byte == 0; })) {
        return failed(Code::corrupt, fmt::format("no record starts at offset {}", at));
    }
    return {};
}

Result<void> FileDatabase::check_free_list(Census& census) {
    for (Offset offset = mapping_.load(free_list_head); offset != 0; offset = mapping_.record(offset).next) {
        if (!census.link(offset)) return failed(Code::corrupt, fmt::format("the free list links offset {} wrongly or twice", offset));
        if (mapping_.record(offset).magic != record_free)
            return failed(Code::corrupt, fmt::format("the record at offset {} in the free list is not free", offset));
    }
    return {};
}

Result<uint64_t> FileDatabase::check_chain(uint32_t chain, Census& census) {
    uint64_t live = 0;
    std::vector<Bytes> keys;
    for (Offset link = chain_head(chain);;) {
        auto offset = follow(link, chain);
        if (!offset) return offset.failure();
        if (*offset == 0) break;
        if (!census.link(*offset)) return failed(Code::corrupt, fmt::format("chain {} links offset {} wrongly or twice", chain, *offset));
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

}  // namespace Atoll::tdb
