// FileDatabase::repack: live records side by side, all else one free record.
#include <cstring>

#include "base/bytes.h"
#include "tdb/file/file_database.h"

namespace Atoll::tdb {
namespace {

// Where records are written one behind the other, around the recovery area: it stays where it is, since the commit will need it.
class Layout {
 public:
    Layout(Mapping& mapping, FreeList& space, Offset area, uint64_t area_end)
        : mapping_(mapping), space_(space), at_(data_start(mapping.header().hash_size)), area_(area), area_end_(area_end) {
        if (at_ == area_) at_ = area_end_;
    }

    Result<Offset> place(Bytes key, Bytes value, uint32_t hash) {
        const uint64_t least = sizeof(RecordHeader) + record_length(uint64_t{key.size()} + value.size());
        uint64_t size = least + -(at_ + least) % record_alignment;
        if (at_ < area_ && at_ + size > area_) {
            pass_area();
            size = least + -(at_ + least) % record_alignment;
        }
        // What would be too little for a record of its own belongs to this one.
        if (at_ < area_ && area_ - (at_ + size) < min_record) size = area_ - at_;
        if (auto grown = make_room(at_ + size); !grown) return grown.failure();
        const auto offset = static_cast<Offset>(at_);
        mapping_.edit_record(offset) = {0,
                                        static_cast<uint32_t>(size - sizeof(RecordHeader)),
                                        static_cast<uint32_t>(key.size()),
                                        static_cast<uint32_t>(value.size()),
                                        hash,
                                        record_live};
        uint8_t* bytes = mapping_.edit(offset + sizeof(RecordHeader), key.size() + value.size());
        if (!key.empty()) std::memcpy(bytes, key.data(), key.size());
        if (!value.empty()) std::memcpy(bytes + key.size(), value.data(), value.size());
        at_ += size;
        mapping_.publish(static_cast<Offset>(at_ - sizeof(Tailer)), static_cast<uint32_t>(size));
        return offset;
    }

    void free_the_rest() {
        if (at_ < area_) pass_area();
        if (at_ < end()) space_.make_free(static_cast<Offset>(at_), static_cast<uint32_t>(end() - at_));
    }

 private:
    void pass_area() {
        if (at_ < area_) space_.make_free(static_cast<Offset>(at_), static_cast<uint32_t>(area_ - at_));
        at_ = area_end_;
    }
    // Either the file ends with this record, or enough is left for another.
    Result<void> make_room(uint64_t wanted) {
        if (wanted == end() || wanted + min_record <= end()) return {};
        return mapping_.grow((wanted + min_record + Mapping::page_size - 1) / Mapping::page_size * Mapping::page_size);
    }
    // A damaged file may have any size.
    [[nodiscard]] uint64_t end() const { return mapping_.size() & ~uint64_t{3}; }

    Mapping& mapping_;
    FreeList& space_;
    uint64_t at_;
    uint64_t area_, area_end_;
};

}  // namespace

Result<void> FileDatabase::repack() {
    if (depth_ > 0) return rewrite();
    if (auto begun = begin(); !begun) return begun;
    if (auto rewritten = rewrite(); !rewritten) {
        cancel();
        return rewritten;
    }
    return commit();
}

// Inside a transaction.
Result<void> FileDatabase::rewrite() {
    Buffer copies;
    for (uint32_t chain = 0; chain < hash_size_; chain++) {
        if (auto copied = copy_chain(chain, copies); !copied) return copied;
    }
    const uint64_t start = data_start(hash_size_);
    Offset area = mapping_.header().recovery_start;
    uint64_t area_end = 0;
    if (area != 0 && space_.is_record(area)) area_end = area + sizeof(RecordHeader) + mapping_.record(area).rec_len;
    const bool room_before = area == start || area >= start + min_record;
    const uint64_t end = mapping_.size() & ~uint64_t{3};
    const bool room_behind = area_end == end || area_end + min_record <= end;
    if (area_end == 0 || !room_before || !room_behind) {
        mapping_.edit_header().recovery_start = 0;
        area = 0;
    }
    for (uint32_t list = 0; list <= hash_size_; list++) mapping_.publish(free_list_head + 4 * list, 0);
    Layout layout(mapping_, space_, area, area_end);
    ByteReader in(copies);
    Offset link = 0;
    uint32_t last_chain = hash_size_;
    while (in.remaining() > 0) {
        const uint32_t key_size = in.u32(), value_size = in.u32();
        const Bytes key = in.bytes(key_size), value = in.bytes(value_size);
        const uint32_t hash = hash_(key);
        auto placed = layout.place(key, value, hash);
        if (!placed) return placed.failure();
        if (chain_of(hash) != last_chain) link = chain_head(last_chain = chain_of(hash));
        mapping_.publish(link, *placed);
        link = *placed;  // its `next` is its first word
    }
    layout.free_the_rest();
    return {};
}

}  // namespace Atoll::tdb
