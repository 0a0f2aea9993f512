// Finds a name whatever its case, component by component: exact match first (one system call); on a miss in the index of the directory's
// names, or by a scan of the directory.
#pragma once

#include <string>

#include "vfs/name_index.h"
#include "vfs/vfs.h"

namespace Atoll::vfs {

enum class Missing : uint8_t {
    nothing,    // the path is there
    leaf,       // its directory is there, the last component is not: OBJECT_NAME_NOT_FOUND
    component,  // a directory of it is missing, or is no directory: OBJECT_PATH_NOT_FOUND
};

// The outcome; reuse one object and the steady state allocates nothing.
struct Located {
    Missing missing = Missing::component;
    bool dangling = false;   // missing == leaf, but the name is taken by a symlink that leads nowhere or out of the share
    std::string path;        // with the stored names as far as they exist, then as asked for
    size_t leaf_offset = 0;  // of the last component in `path`
    File parent;             // the directory that has, or would have, the leaf (path_only); not valid if missing == component or path is ""

    Stat parent_stat;  // of `parent`, as of this lookup

    [[nodiscard]] const char* leaf() const { return path.c_str() + leaf_offset; }
};

class NameLookup {
 public:
    explicit NameLookup(Vfs& vfs, NameIndex& index = NameIndex::of_process()) : vfs_(vfs), index_(index) {}

    // Where `path` (valid, is_valid_path) is. An errno only for what is neither there nor missing: EACCES, EIO, EXDEV, ELOOP.
    Result<void, int> locate(std::string_view path, Located& out);

    // As Vfs::open, whatever the case: opens at once if the exact path is there. `stored` becomes the stored path. ENOENT for a missing
    // leaf, ENOTDIR for a missing or wrong component.
    Result<File, int> open(std::string_view path, const OpenHow& how, std::string& stored);

    // The name in `directory` that equals `name` ignoring case, or whose 8.3 name does, into `stored`: ENOENT if there is none.
    Result<void, int> find_in(const File& directory, std::string_view name, std::string& stored);

 private:
    Result<File, int> open_directory(std::string& path, size_t length);
    Result<Stat, int> find_any_case(const File& directory, const Stat& stat, const char* name, std::string& stored);
    NameIndex::Answer ask_index(const File& directory, const Stat& stat, std::string_view name, std::string& stored,
                                Result<Stat, int>& there);
    Result<void, int> scan(const File& directory, const Stat& stat, std::string_view name, std::string& stored);
    [[nodiscard]] const char* mangling_char() const;

    Vfs& vfs_;
    NameIndex& index_;
    std::string found_;  // scratch, kept for their capacity
    Located located_;
};

}  // namespace Atoll::vfs
