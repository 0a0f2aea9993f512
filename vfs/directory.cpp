#include "vfs/directory.h"

#include <dirent.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/bytes.h"

namespace Atoll::vfs {

namespace {

// struct linux_dirent64 (getdents64(2)): u64 d_ino, s64 d_off, u16 d_reclen, u8 d_type, then the name and its NUL.
constexpr size_t name_offset = 19;

FileType type_of(uint8_t d_type) {
    switch (d_type) {
        case DT_REG: return FileType::regular;
        case DT_DIR: return FileType::directory;
        case DT_LNK: return FileType::symlink;
        default: return FileType::other;
    }
}

}  // namespace

Result<std::optional<DirectoryEntry>, int> DirectoryReader::next() {
    if (used_ >= buffer_.size()) {
        buffer_.resize(buffer_size);
        auto n = vfs_->read_directory(*directory_, buffer_.mutable_bytes());
        if (!n) {
            buffer_.clear();
            return n.failure();
        }
        buffer_.resize(*n);
        used_ = 0;
        if (*n == 0) return std::optional<DirectoryEntry>();
    }
    const Bytes rest = buffer_.bytes().subspan(used_);
    if (rest.size() < name_offset + 1) return EIO;
    const size_t length = load_le<uint16_t>(rest.data() + 16);
    if (length <= name_offset || length > rest.size()) return EIO;
    const auto* name = reinterpret_cast<const char*>(rest.data() + name_offset);

    DirectoryEntry entry;
    entry.inode = load_le<uint64_t>(rest.data());
    entry.position = static_cast<int64_t>(load_le<uint64_t>(rest.data() + 8));
    entry.type = type_of(rest[18]);
    entry.type_known = rest[18] != DT_UNKNOWN;
    entry.name = {name, ::strnlen(name, length - name_offset)};
    used_ += length;
    position_ = entry.position;
    return std::optional<DirectoryEntry>(entry);
}

Result<void, int> DirectoryReader::seek(int64_t position) {
    if (auto r = vfs_->seek_directory(*directory_, position); !r) return r;
    buffer_.clear();
    used_ = 0;
    position_ = position;
    return {};
}

}  // namespace Atoll::vfs
