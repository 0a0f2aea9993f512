#include "vfs/dos_attributes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "base/bytes.h"
#include "vfs/posix.h"

namespace Atoll::vfs {

namespace {

constexpr uint32_t valid_attributes = 0x1;
constexpr uint32_t valid_create_time = 0x10;
constexpr size_t max_text = 4;  // "0x27"
// What we add where a client has set the change time (docs/formats/dosattrib.md, "Change time").
constexpr uint32_t change_time_mark = 0x4d544843;  // "CHTM"
constexpr size_t change_time_size = 4 + 8 + 8;
constexpr uint64_t clock_tick = 40'000;  // 100 ns: by how much the file system's clock may be behind (4 ms before Linux 6.13)

// The value written before there were structures: hexadecimal digits, with "0x" or without.
std::optional<StoredAttributes> decode_text(std::string_view text) {
    if (text.starts_with("0x")) text.remove_prefix(2);
    uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return StoredAttributes{number, {}, {}, {}};
}

// docs/formats/dosattrib.md, "Versions".
std::optional<StoredAttributes> decode_structure(ByteReader& in) {
    const uint16_t version = in.u16();
    in.align(4);
    if (in.u32() != version || version < 3 || version > 5) return std::nullopt;
    const uint32_t valid = in.u32();
    StoredAttributes out;
    out.attributes = in.u32();
    if (version == 3) in.skip(4 + 8 + 8);  // EA size, size, allocation size
    if (version == 4) in.skip(8);          // the creation time that was made up
    const NtTime create{in.u64()};
    if (version == 3) in.skip(8);  // change time
    if (!in.ok()) return std::nullopt;
    if ((valid & valid_create_time) != 0) out.create_time = create;
    if (version != 5 || in.remaining() != change_time_size || in.u32() != change_time_mark) return out;
    out.change_time = {in.u64()};
    out.valid_until = {in.u64()};
    return out;
}

NtTime earliest_time(const Stat& stat) {
    return std::min({NtTime::from(stat.access_time), NtTime::from(stat.write_time), NtTime::from(stat.change_time)});
}

}  // namespace

std::optional<StoredAttributes> decode_dos_attrib(Bytes value) {
    const std::string_view all = as_text(value);
    const size_t nul = all.find('\0');
    const std::string_view text = all.substr(0, nul);
    if (text.size() > max_text) return std::nullopt;
    if (nul == std::string_view::npos || nul + 1 == all.size()) return decode_text(text);
    ByteReader in(value);
    in.skip(nul + 1);
    in.align(2);
    return decode_structure(in);
}

void encode_dos_attrib(Buffer& out, const StoredAttributes& value) {
    out.clear();
    ByteWriter w(out);
    w.u8(0);  // the empty text
    w.align(2);
    w.u16(5);
    w.u32(5);
    w.u32(value.create_time.ticks != 0 ? valid_attributes | valid_create_time : valid_attributes);
    w.u32(value.attributes);
    w.u64(value.create_time.ticks);
    if (value.change_time.ticks == 0) return;
    w.u32(change_time_mark);
    w.u64(value.change_time.ticks);
    w.u64(value.valid_until.ticks);
}

uint32_t attributes_of_mode(const Options& options, const Stat& stat) {
    uint32_t attributes = stat.is_directory() ? attribute::directory : 0;
    if (options.map_readonly == MapReadonly::yes && (stat.mode & S_IWUSR) == 0) attributes |= attribute::readonly;
    if (stat.is_directory()) return attributes;
    if (options.map_archive && (stat.mode & S_IXUSR) != 0) attributes |= attribute::archive;
    if (options.map_system && (stat.mode & S_IXGRP) != 0) attributes |= attribute::system;
    if (options.map_hidden && (stat.mode & S_IXOTH) != 0) attributes |= attribute::hidden;
    return attributes;
}

mode_t mode_of_attributes(const Options& options, const Stat& stat, uint32_t attributes) {
    mode_t mode = stat.mode & 07777;
    const auto map = [&](bool mapped, uint32_t bit, mode_t x) {
        // What `create mask` leaves no room for has no bit (smb.conf(5), "map archive").
        if (mapped && (options.create_mask & x) != 0) mode = (attributes & bit) != 0 ? mode | x : mode & ~x;
    };
    if (!stat.is_directory()) {
        map(options.map_archive, attribute::archive, S_IXUSR);
        map(options.map_system, attribute::system, S_IXGRP);
        map(options.map_hidden, attribute::hidden, S_IXOTH);
    }
    if (options.map_readonly == MapReadonly::yes) {
        if ((attributes & attribute::readonly) != 0)
            mode &= ~static_cast<mode_t>(S_IWUSR | S_IWGRP | S_IWOTH);
        else if ((mode & S_IWUSR) == 0)
            mode |= S_IWUSR;
    }
    return mode;
}

DosAttributes PosixVfs::attributes_from(Bytes stored, const Stat& stat, std::string_view leaf) const {
    DosAttributes out;
    out.attributes = attributes_of_mode(options_, stat);
    if (!stored.empty()) {
        if (const auto value = decode_dos_attrib(stored)) {
            out.attributes = value->attributes & attribute::stored;
            out.create_time = value->create_time;
            if (NtTime::from(stat.change_time).ticks <= value->valid_until.ticks) out.change_time = value->change_time;
            out.stored = true;
        }
    }
    if (stat.is_directory()) out.attributes |= attribute::directory;
    if (stat.compressed) out.attributes |= attribute::compressed;
    if (options_.hide_dot_files && leaf.size() > 1 && leaf.front() == '.' && leaf != "..") out.attributes |= attribute::hidden;
    if (out.attributes == 0) out.attributes = attribute::normal;
    if (out.create_time.ticks == 0) out.create_time = stat.has_birth_time ? NtTime::from(stat.birth_time) : earliest_time(stat);
    return out;
}

DosAttributes PosixVfs::dos_attributes(const File& file, const Stat& stat, std::string_view leaf) {
    std::array<uint8_t, max_dos_attrib> value;
    Bytes stored;
    if (const auto known = options_.store_dos_attributes ? remembered_->find(stat) : std::nullopt) {
        stored = *known;
    } else if (options_.store_dos_attributes) {
        const auto got = get_xattr(file, dos_attrib_xattr, value);
        if (got) stored = {value.data(), *got};
        if (got || got.error() == ENODATA) remembered_->remember(stat, stored);
    }
    auto out = attributes_from(stored, stat, leaf);
    // `map readonly = permissions`: what the caller may not write is read-only to him.
    if (!out.stored && options_.map_readonly == MapReadonly::permissions &&
        ::faccessat(AT_FDCWD, ProcPath(file.fd.get()).text, W_OK, AT_EACCESS) != 0) {
        out.attributes = (out.attributes & ~attribute::normal) | attribute::readonly;
    }
    return out;
}

DosAttributes PosixVfs::dos_attributes_at(const File& parent, const char* leaf, const Stat& stat) {
    std::array<uint8_t, max_dos_attrib> value;
    ssize_t size = -1;
    if (options_.store_dos_attributes) size = vfs::get_xattr_at(parent.fd.get(), leaf, dos_attrib_xattr, value);
    auto out = attributes_from({value.data(), size > 0 ? static_cast<size_t>(size) : 0}, stat, leaf);
    if (!out.stored && options_.map_readonly == MapReadonly::permissions &&
        ::faccessat(AT_FDCWD, ProcPath(parent.fd.get(), leaf).text, W_OK, AT_EACCESS) != 0) {
        out.attributes = (out.attributes & ~attribute::normal) | attribute::readonly;
    }
    return out;
}

Result<void, int> PosixVfs::set_dos_attributes(const File& file, const Stat& stat, const DosAttributes& value) {
    const uint32_t kept = value.attributes & attribute::stored;
    if (!options_.store_dos_attributes) {
        const mode_t mode = mode_of_attributes(options_, stat, kept);
        if (mode == (stat.mode & 07777)) return {};
        return chmod(file, mode);
    }
    const NtTime until{NtTime::now().ticks + clock_tick};
    encode_dos_attrib(encoded_, {stat.is_directory() ? kept | attribute::directory : kept, value.create_time, value.change_time, until});
    return set_xattr(file, dos_attrib_xattr, encoded_);
}

}  // namespace Atoll::vfs
