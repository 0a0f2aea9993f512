// FileDatabase: what the tools show.
#include "tdb/file/inspect.h"

#include <cstring>

#include "base/log.h"

#include "tdb/file/file_database.h"

namespace Atoll::tdb {

Result<void> FileDatabase::visit_chain(uint32_t chain, FunctionRef<Visit(const RecordPlace&)> visit) {
    if (chain >= hash_size_) return failed(Code::invalid, "no such chain");
    ChainGuard guard(*this, chain, Intent::read);
    if (!guard) return guard.failure();
    Offset link = chain_head(chain);
    for (Steps steps; steps.next(mapping_);) {
        auto offset = follow(link, chain);
        if (!offset) return offset.failure();
        if (*offset == 0) return {};
        if (visit({*offset, mapping_.record(*offset)}) == Visit::stop) return {};
        link = *offset;  // its `next` is its first word
    }
    return bad_chain(chain);
}

Result<Offset> FileDatabase::visit_free_list(FunctionRef<Visit(const RecordPlace&)> visit) {
    Result<FreeList::Guard> guard = read_only_ && !locks_.mutexes() ? space_.lock_for_reading() : space_.lock();
    if (!guard) return guard.failure();
    const Offset head = mapping_.load(free_list_head);
    Steps steps;
    for (Offset offset = head; offset != 0; offset = mapping_.record(offset).next) {
        if (!steps.next(mapping_)) return failed(Code::corrupt, "the free list has a loop");
        if (!space_.is_record(offset))
            return failed(Code::corrupt, fmt::format("the free list links offset {}, where no record is", offset));
        if (visit({offset, mapping_.record(offset)}) == Visit::stop) break;
    }
    return head;
}

void FileDatabase::add_record(Summary& summary, const RecordHeader& record) {
    if (record.magic == record_live) {
        summary.keys.add(record.key_len);
        summary.data.add(record.data_len);
        summary.padding.add(uint64_t{record.rec_len} - record.key_len - record.data_len);
    } else {
        summary.dead.add(record.rec_len);
    }
}

// Every record of the file in its order, for what lies side by side.
void FileDatabase::add_free_runs(Summary& summary) {
    uint64_t run = 0;
    for (uint64_t at = data_start(hash_size_); at + sizeof(RecordHeader) <= mapping_.size();) {
        const auto offset = static_cast<Offset>(at);
        const RecordHeader& record = mapping_.record(offset);
        const bool is_free = record.magic == record_free && space_.is_record(offset);
        if (!is_free && run > 1) summary.uncoalesced.add(run);
        run = is_free ? run + 1 : 0;
        if (is_free) summary.free.add(record.rec_len);
        at += space_.is_record(offset) ? sizeof(RecordHeader) + record.rec_len : sizeof(uint32_t);
    }
    if (run > 1) summary.uncoalesced.add(run);
}

Result<Summary> FileDatabase::summary() {
    Result<WholeLock> lock = whole_ == Whole::none ? lock_all(Intent::read) : Result<WholeLock>(WholeLock(*this, false));
    if (!lock) return lock.failure();
    if (auto sized = mapping_.refresh_size(); !sized) return sized.failure();
    const FileHeader& header = mapping_.header();
    Summary summary;
    summary.header_offset = mapping_.mutex_size();
    summary.logical_size = mapping_.size();
    summary.file_size = summary.header_offset + summary.logical_size;
    summary.rwlocks = header.rwlocks;
    summary.feature_flags = header.feature_flags;
    summary.hash_size = hash_size_;
    const Offset area = header.recovery_start;
    if (area != 0 && space_.is_record(area)) summary.recovery_size = sizeof(RecordHeader) + mapping_.record(area).rec_len;
    for (uint32_t chain = 0; chain < hash_size_; chain++) {
        uint64_t length = 0;
        auto visited = visit_chain(chain, [&](const RecordPlace& place) {
            add_record(summary, place.header);
            length++;
            return Visit::go_on;
        });
        if (!visited) return visited.failure();
        summary.chains.add(length);
    }
    add_free_runs(summary);
    return summary;
}

// The first live record from a link on, in this chain or a later one, which is not the one of `past`.
Result<bool> FileDatabase::key_from(uint32_t chain, const Bytes* past, Buffer& out) {
    bool passed = past == nullptr;
    for (; chain < hash_size_; chain++) {
        if (mapping_.load(chain_head(chain)) != 0) {
            bool found = false;
            auto visited = visit_chain(chain, [&](const RecordPlace& place) {
                if (place.header.magic != record_live) return Visit::go_on;
                const Bytes key = key_of(place.offset);
                if (passed) {
                    out.assign(key);
                    found = true;
                    return Visit::stop;
                }
                passed = key.size() == past->size() && std::memcmp(key.data(), past->data(), key.size()) == 0;
                return Visit::go_on;
            });
            if (!visited) return visited.failure();
            if (found) return true;
        }
        if (!passed) return failed(Code::not_found, "the record to go on from is gone");
    }
    return false;
}

Result<bool> FileDatabase::first_key(Buffer& out) { return key_from(0, nullptr, out); }

Result<bool> FileDatabase::next_key(Bytes key, Buffer& out) {
    Buffer past;  // `key` may be in `out`
    past.assign(key);
    const Bytes bytes = past;
    return key_from(chain_of(hash_(bytes)), &bytes, out);
}

}  // namespace Atoll::tdb
