#include "vfs/name_lookup.h"

#include <cerrno>

#include "base/utf.h"
#include "vfs/directory.h"
#include "vfs/path.h"
#include "vfs/short_name.h"

namespace Atoll::vfs {

namespace {

constexpr OpenHow how_directory() {
    OpenHow how;
    how.directory = true;
    return how;
}

bool is_missing(int error) {
    return error == ENOENT || error == ENOTDIR;
}

}  // namespace

Result<void, int> NameLookup::find_in(const File& directory, std::string_view name, std::string& stored) {
    auto readable = vfs_.reopen(directory, Access::read);
    if (!readable) return readable.failure();
    const Options& options = vfs_.options();
    const bool by_short_name = options.mangled_names != MangledNames::no && may_be_made(name, options.mangling_char);
    bool found_short = false;
    DirectoryReader reader(vfs_, *readable);
    while (true) {
        auto entry = reader.next();
        if (!entry) return entry.failure();
        if (!entry->has_value()) return found_short ? Result<void, int>() : Result<void, int>(ENOENT);
        const std::string_view found = (*entry)->name;
        if (found == "." || found == "..") continue;
        if (equal_ignoring_case(found, name)) {
            stored.assign(found);
            return {};
        }
        if (!by_short_name || found_short) continue;
        if (equal_ignoring_ascii_case(ShortName(found, options.mangling_char).text(), name)) {
            stored.assign(found);
            found_short = true;
        }
    }
}

// Opens the directory `path` (of `length` bytes from the front of it), putting stored names into it where only the case differs.
// ENOTDIR if it, or anything on the way, is not there or no directory.
Result<File, int> NameLookup::open_directory(std::string& path, size_t length) {
    const bool whole = length == path.size();
    if (!whole && length > 0) path[length] = '\0';  // saves a copy where the exact path is there
    auto exact = vfs_.open(length == 0 ? "" : path.c_str(), how_directory());
    if (!whole && length > 0) path[length] = '/';
    if (exact || !is_missing(exact.error())) return exact;
    if (length == 0 || vfs_.options().case_sensitive) return ENOTDIR;

    const std::string rest = path.substr(length);
    path.resize(length);
    const size_t parent_length = parent_of(path).size();
    auto parent = open_directory(path, parent_length);
    std::string stored;
    Result<File, int> found = ENOTDIR;
    if (parent) {
        const std::string leaf(leaf_of(path));
        auto scan = find_in(*parent, leaf, stored);
        if (scan) {
            path.resize(path.size() - leaf.size());
            path += stored;
            found = vfs_.open(path.c_str(), how_directory());
            if (!found && is_missing(found.error())) found = ENOTDIR;
        } else if (scan.error() != ENOENT) {
            found = scan.failure();
        }
    } else {
        found = parent.failure();
    }
    path += rest;
    return found;
}

Result<void, int> NameLookup::locate(std::string_view path, Located& out) {
    ATOLL_ASSERT(is_valid_path(path));
    out.path.assign(path);
    out.dangling = false;
    out.missing = Missing::nothing;
    out.leaf_offset = 0;
    out.parent = File();
    if (path.empty()) return {};
    auto parent = open_directory(out.path, parent_of(path).size());
    if (!parent) {
        out.missing = Missing::component;
        if (is_missing(parent.error())) return {};
        return parent.failure();
    }
    out.parent = std::move(*parent);
    out.leaf_offset = out.path.size() - leaf_of(out.path).size();  // stored names may have another length

    auto there = vfs_.stat_at(out.parent, out.leaf());
    if (!there && there.error() == ENOENT && !vfs_.options().case_sensitive) {
        auto scan = find_in(out.parent, std::string_view(out.path).substr(out.leaf_offset), found_);
        if (scan) {
            out.path.resize(out.leaf_offset);
            out.path += found_;
            there = vfs_.stat_at(out.parent, out.leaf());
        } else if (scan.error() != ENOENT && scan.error() != EACCES) {
            return scan;  // a directory that may be entered but not listed has no other names for this caller
        }
    }
    if (!there) {
        if (!is_missing(there.error())) return there.failure();
        out.missing = Missing::leaf;
        return {};
    }
    if (there->type() != FileType::symlink) return {};
    if (auto target = vfs_.open(out.path.c_str(), {}); !target) {
        out.missing = Missing::leaf;
        out.dangling = true;
    }
    return {};
}

Result<File, int> NameLookup::open(std::string_view path, const OpenHow& how, std::string& stored) {
    ATOLL_ASSERT(is_valid_path(path));
    stored.assign(path);
    auto exact = vfs_.open(stored.c_str(), how);
    if (exact || !is_missing(exact.error()) || path.empty()) return exact;
    if (auto r = locate(path, located_); !r) return r.failure();
    stored = located_.path;
    located_.parent = File();
    if (located_.missing == Missing::component) return ENOTDIR;
    if (located_.missing == Missing::leaf) return ENOENT;
    return vfs_.open(stored.c_str(), how);
}

}  // namespace Atoll::vfs
