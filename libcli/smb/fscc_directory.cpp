#include "libcli/smb/fscc_directory.h"

#include <algorithm>

namespace Atoll::smb {

bool EntryListWriter::begin(size_t size) {
    const size_t used = this->size();
    const size_t padding = last_ != none ? (alignment_ - used % alignment_) % alignment_ : 0;
    if (size > limit_ || used + padding > limit_ - size) return false;
    out_.zeros(padding);
    const size_t start = out_.position();
    if (last_ != none) out_.patch_u32(last_, static_cast<uint32_t>(start - last_));
    last_ = start;
    ++count_;
    out_.u32(0);
    return true;
}

std::optional<Bytes> EntryListReader::next() {
    if (done_ || malformed_) return std::nullopt;
    if (rest_.size() < 4) {
        fail();
        return std::nullopt;
    }
    const auto next = load_le<uint32_t>(rest_.data());
    if (next == 0) {
        done_ = true;
        return rest_;
    }
    if (next < 4 || next >= rest_.size()) {
        fail();
        return std::nullopt;
    }
    Bytes entry = rest_.first(next);
    rest_ = rest_.subspan(next);
    return entry;
}

namespace {

constexpr size_t max_short_name = 24;
constexpr size_t common_size = 64;  // NextEntryOffset to FileNameLength of all classes but names

// What follows the common part of each class, in the order of the wire (MS-FSCC 2.4.8 to 2.4.25).
struct DirectoryLayout {
    bool ea_size = false;
    bool reparse_tag = false;    // 4 bytes after EaSize
    bool reserved_tag = false;   // 4 reserved bytes after EaSize
    bool file_id_first = false;  // 8 bytes before a short name
    bool file_id_128 = false;
    bool short_name = false;    // length, reserved, 24 bytes
    bool file_id_last = false;  // 2 reserved bytes and 8 bytes after the short name
};

std::optional<DirectoryLayout> layout_of(FileInformationClass c) {
    using C = FileInformationClass;
    switch (c) {
        case C::directory: return DirectoryLayout{};
        case C::full_directory: return DirectoryLayout{.ea_size = true};
        case C::both_directory: return DirectoryLayout{.ea_size = true, .short_name = true};
        case C::id_full_directory: return DirectoryLayout{.ea_size = true, .reserved_tag = true, .file_id_first = true};
        case C::id_both_directory: return DirectoryLayout{.ea_size = true, .short_name = true, .file_id_last = true};
        case C::id_extd_directory: return DirectoryLayout{.ea_size = true, .reparse_tag = true, .file_id_128 = true};
        case C::id_64_extd_directory: return DirectoryLayout{.ea_size = true, .reparse_tag = true, .file_id_first = true};
        case C::id_64_extd_both_directory:
            return DirectoryLayout{.ea_size = true, .reparse_tag = true, .file_id_first = true, .short_name = true};
        case C::id_all_extd_directory:
            return DirectoryLayout{.ea_size = true, .reparse_tag = true, .file_id_first = true, .file_id_128 = true};
        case C::id_all_extd_both_directory:
            return DirectoryLayout{.ea_size = true, .reparse_tag = true, .file_id_first = true, .file_id_128 = true, .short_name = true};
        default: return std::nullopt;
    }
}

constexpr size_t names_fixed_size = 12;  // NextEntryOffset, FileIndex, FileNameLength

size_t layout_size(const DirectoryLayout& l) {
    return common_size + (l.ea_size ? 4u : 0u) + (l.reparse_tag || l.reserved_tag ? 4u : 0u) + (l.file_id_first ? 8u : 0u) +
           (l.file_id_128 ? 16u : 0u) + (l.short_name ? 2u + max_short_name : 0u) + (l.file_id_last ? 10u : 0u);
}

void write_common(ByteWriter& out, const DirectoryEntry& e) {
    out.u32(e.file_index);
    out.u64(e.info.creation_time.ticks);
    out.u64(e.info.last_access_time.ticks);
    out.u64(e.info.last_write_time.ticks);
    out.u64(e.info.change_time.ticks);
    out.u64(e.info.end_of_file);
    out.u64(e.info.allocation_size);
    out.u32(e.info.file_attributes);
    out.u32(static_cast<uint32_t>(e.name.size()));
}

void write_tail(ByteWriter& out, const DirectoryLayout& l, const DirectoryEntry& e) {
    if (l.ea_size) out.u32(e.ea_size);
    if (l.reparse_tag) out.u32(e.reparse_tag);
    if (l.reserved_tag) out.u32(0);
    if (l.file_id_first) out.u64(e.file_id);
    if (l.file_id_128) out.bytes(e.file_id_128);
    if (l.short_name) {
        const size_t length = std::min(e.short_name.size(), max_short_name);
        out.u8(static_cast<uint8_t>(length));
        out.u8(0);
        out.bytes(e.short_name.first(length));
        out.zeros(max_short_name - length);
    }
    if (l.file_id_last) {
        out.u16(0);
        out.u64(e.file_id);
    }
}

// The length of the name.
uint32_t read_common(ByteReader& in, DirectoryEntry& e) {
    e.file_index = in.u32();
    e.info.creation_time.ticks = in.u64();
    e.info.last_access_time.ticks = in.u64();
    e.info.last_write_time.ticks = in.u64();
    e.info.change_time.ticks = in.u64();
    e.info.end_of_file = in.u64();
    e.info.allocation_size = in.u64();
    e.info.file_attributes = in.u32();
    return in.u32();
}

void read_tail(ByteReader& in, const DirectoryLayout& l, DirectoryEntry& e) {
    if (l.ea_size) e.ea_size = in.u32();
    if (l.reparse_tag) e.reparse_tag = in.u32();
    if (l.reserved_tag) in.skip(4);
    if (l.file_id_first) e.file_id = in.u64();
    if (l.file_id_128) in.copy(e.file_id_128);
    if (l.short_name) {
        const uint8_t length = in.u8();
        in.skip(1);
        Bytes name = in.bytes(max_short_name);
        if (length > name.size()) {
            in.fail();
        } else {
            e.short_name = name.first(length);
        }
    }
    if (l.file_id_last) {
        in.skip(2);
        e.file_id = in.u64();
    }
}

}  // namespace

bool is_directory_class(FileInformationClass c) { return directory_entry_fixed_size(c) != 0; }

size_t directory_entry_fixed_size(FileInformationClass c) {
    if (c == FileInformationClass::names) return names_fixed_size;
    auto layout = layout_of(c);
    return layout ? layout_size(*layout) : 0;
}

bool DirectoryListWriter::add(const DirectoryEntry& entry) {
    const size_t fixed = directory_entry_fixed_size(class_);
    ATOLL_ASSERT(fixed != 0);
    if (!list_.begin(fixed + entry.name.size())) return false;
    ByteWriter& out = list_.out();
    if (class_ == FileInformationClass::names) {
        out.u32(entry.file_index);
        out.u32(static_cast<uint32_t>(entry.name.size()));
    } else {
        write_common(out, entry);
        write_tail(out, *layout_of(class_), entry);
    }
    out.bytes(entry.name);
    return true;
}

std::optional<DirectoryEntry> DirectoryListReader::next() {
    auto bytes = list_.next();
    if (!bytes) return std::nullopt;
    ByteReader in(*bytes);
    in.skip(4);
    DirectoryEntry e;
    uint32_t name_length = 0;
    if (class_ == FileInformationClass::names) {
        e.file_index = in.u32();
        name_length = in.u32();
    } else if (auto layout = layout_of(class_)) {
        name_length = read_common(in, e);
        read_tail(in, *layout, e);
    } else {
        in.fail();
    }
    e.name = in.bytes(name_length);
    if (!in.ok() || name_length % 2 != 0) {
        list_.fail();
        return std::nullopt;
    }
    return e;
}

}  // namespace Atoll::smb
