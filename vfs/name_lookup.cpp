#include "vfs/name_lookup.h"

#include <unistd.h>

#include <cerrno>

#include "base/limits.h"
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

bool is_missing(int error) { return error == ENOENT || error == ENOTDIR; }

}  // namespace

const char* NameLookup::mangling_char() const {
    return vfs_.options().mangled_names == MangledNames::no ? nullptr : &vfs_.options().mangling_char;
}

// Whether the index knows `name` to be there, which is then tried: `there` is what it is. Other failures than ENOENT are `there`'s.
NameIndex::Answer NameLookup::ask_index(const File& directory, const Stat& stat, std::string_view name, std::string& stored,
                                        Result<Stat, int>& there) {
    if (!vfs_.plain_names()) return NameIndex::Answer::unknown;
    bool may_list = (stat.mode & 0444u) == 0444u;  // then nobody needs to be asked
    for (unsigned tries = 0; tries < limits::max_create_races; tries++) {
        const auto answer = index_.find(stat, name, mangling_char(), stored);
        if (answer == NameIndex::Answer::unknown) return answer;
        // The index may have been filled for another user.
        if (!may_list && !vfs_.may(directory, R_OK)) return NameIndex::Answer::unknown;
        may_list = true;
        if (answer == NameIndex::Answer::absent) return answer;
        there = vfs_.stat_at(directory, stored.c_str());
        if (there || there.error() != ENOENT) return answer;
        index_.withdraw(stat, stored);
    }
    return NameIndex::Answer::unknown;
}

Result<void, int> NameLookup::find_in(const File& directory, std::string_view name, std::string& stored) {
    auto stat = vfs_.stat(directory);
    if (!stat) return stat.failure();
    Result<Stat, int> there = ENOENT;
    switch (ask_index(directory, *stat, name, stored, there)) {
        case NameIndex::Answer::absent: return ENOENT;
        case NameIndex::Answer::present:
            if (!there) return there.failure();
            return {};
        case NameIndex::Answer::unknown: break;
    }
    return scan(directory, *stat, name, stored);
}

// By a scan, which fills the index if the directory is worth it.
Result<void, int> NameLookup::scan(const File& directory, const Stat& stat, std::string_view name, std::string& stored) {
    auto readable = vfs_.reopen(directory, Access::read);
    if (!readable) return readable.failure();
    const char* mangling = mangling_char();
    const bool by_short_name = mangling != nullptr && may_be_made(name, *mangling);
    const bool fill = vfs_.plain_names() && index_.begin(directory, stat);
    bool found_name = false, found_short = false;
    DirectoryReader reader(vfs_, *readable);
    while (true) {
        auto entry = reader.next();
        if (!entry || !entry->has_value()) {
            if (fill) index_.end(entry.ok());
            if (!entry) return entry.failure();
            return found_name || found_short ? Result<void, int>() : Result<void, int>(ENOENT);
        }
        const std::string_view found = (*entry)->name;
        if (found == "." || found == "..") continue;
        if (fill) index_.add(found);
        if (!found_name && equal_ignoring_case(found, name)) {
            stored.assign(found);
            if (!fill) return {};
            found_name = true;
        }
        if (!by_short_name || found_name || found_short) continue;
        if (equal_ignoring_ascii_case(ShortName(found, *mangling).text(), name)) {
            stored.assign(found);
            found_short = true;
        }
    }
}

// What is there by the exact name, or else by another case, whose name is then in `stored`.
Result<Stat, int> NameLookup::find_any_case(const File& directory, const Stat& stat, const char* name, std::string& stored) {
    stored.clear();
    if (vfs_.options().case_sensitive) return vfs_.stat_at(directory, name);
    Result<Stat, int> there = ENOENT;
    const auto answer = ask_index(directory, stat, name, stored, there);
    if (answer != NameIndex::Answer::unknown) return there;
    stored.clear();
    auto exact = vfs_.stat_at(directory, name);
    if (exact || exact.error() != ENOENT) return exact;
    if (auto r = scan(directory, stat, name, stored); !r) {
        // A directory that may be entered but not listed has no other names for this caller.
        return r.error() == EACCES ? ENOENT : r.error();
    }
    return vfs_.stat_at(directory, stored.c_str());
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

    auto parent_stat = vfs_.stat(out.parent);
    if (!parent_stat) return parent_stat.failure();
    out.parent_stat = *parent_stat;
    auto there = find_any_case(out.parent, out.parent_stat, out.leaf(), found_);
    if (there && !found_.empty()) out.path.replace(out.leaf_offset, std::string::npos, found_);
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
