// Reading a directory: buffered, restartable, with positions that stay valid while entries come and go (the file system's d_off).
#pragma once

#include <optional>

#include "vfs/vfs.h"

namespace Atoll::vfs {

struct DirectoryEntry {
    std::string_view name;  // valid until the next call on the reader
    uint64_t inode = 0;
    FileType type = FileType::other;
    bool type_known = false;  // false where the file system does not say: stat it
    int64_t position = 0;     // after this entry: seek() there resumes behind it
};

class DirectoryReader {
 public:
    static constexpr size_t buffer_size = 32 * 1024;

    // `directory` must be open for reading and outlive the reader. Its descriptor's offset belongs to the reader.
    DirectoryReader(Vfs& vfs, const File& directory) : vfs_(&vfs), directory_(&directory) {}

    // The next entry, "." and ".." among them; nullopt at the end.
    Result<std::optional<DirectoryEntry>, int> next();
    Result<void, int> seek(int64_t position);  // 0: the start; else a `position` of an entry
    Result<void, int> rewind() { return seek(0); }
    [[nodiscard]] int64_t position() const { return position_; }

 private:
    Vfs* vfs_;
    const File* directory_;
    Buffer buffer_;
    size_t used_ = 0;
    int64_t position_ = 0;
};

}  // namespace Atoll::vfs
