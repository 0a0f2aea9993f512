// shadow_copy2: snapshots that the file system keeps under names of their own are shown as previous versions (vfs_shadow_copy2(8)).
//
// A path that begins with an @GMT token is opened in the snapshot of that time: below the configured directory of snapshots, beneath the
// snapshot's own directory, and out of that no symlink leads. What is opened so carries its time (File::snapshot) and hands it on to
// whatever is opened from it; nothing with a time can be changed.
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include "base/log.h"
#include "base/utf.h"
#include "vfs/beneath.h"
#include "vfs/module_options.h"
#include "vfs/modules.h"
#include "vfs/path.h"
#include "vfs/posix.h"
#include "vfs/snapshot_names.h"
#include "vfs/snapshot_token.h"

namespace Atoll::vfs {

namespace {

constexpr size_t max_snapshots = 10000;  // of one directory of snapshots; those beyond are not told
constexpr uint64_t beneath = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;

struct CloseDirectory {
    void operator()(DIR* directory) const { (void)::closedir(directory); }
};

bool is_missing(int error) { return error == ENOENT || error == ENOTDIR; }

bool is_mount_root(int fd) {
    struct statx x {};
    return ::statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, 0, &x) == 0 && (x.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

std::string parent_directory(const std::string& absolute) {
    const size_t slash = absolute.rfind('/');
    return slash == 0 || slash == std::string::npos ? "/" : absolute.substr(0, slash);
}

std::string joined(const std::string& above, std::string_view below) {
    if (above.empty() || below.empty()) return above + std::string(below);
    return above + (above.back() == '/' ? "" : "/") + std::string(below);
}

std::string without_slashes_at_end(std::string path) {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    return path;
}

// What is left of `path` below the directory `above`; false if it is not below it.
bool strip(const std::string& path, const std::string& above, std::string& rest) {
    if (path == above) {
        rest.clear();
        return true;
    }
    const std::string prefix = above == "/" ? above : above + "/";
    if (!path.starts_with(prefix)) return false;
    rest = path.substr(prefix.size());
    return true;
}

// The topmost directory of the file system that `path` is in.
std::string mount_point_of(std::string path) {
    while (path != "/") {
        const UniqueFd fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!fd || is_mount_root(fd.get())) break;
        path = parent_directory(path);
    }
    return path;
}

// A directory that may have snapshots.
struct Place {
    int directory = -1;
    std::string snapshots;  // the directory of all of them, below it; "" itself
    std::string inside;     // of each snapshot, the directory that stands for ...
    std::string rest;       // ... what is asked for below that
};

class ShadowCopy2 final : public Module {
 public:
    explicit ShadowCopy2(std::unique_ptr<Vfs> below);

    bool has_snapshots() const override { return true; }
    Result<void, int> list_snapshots(const std::string& path, std::vector<int64_t>& times) override;

    Result<File, int> open(const char* path, const OpenHow& how) override;
    Result<File, int> open_at(const File& parent, const char* leaf, const OpenHow& how) override;
    Result<File, int> reopen(const File& file, Access access) override;
    Result<File, int> open_stream(const File& file, std::string& name, const OpenHow& how) override;
    Result<Stat, int> stat(const File& file) override;
    Result<Stat, int> stat_at(const File& parent, const char* leaf) override;
    bool may(const File& file, int mode) override { return (file.snapshot == 0 || (mode & W_OK) == 0) && next().may(file, mode); }

    // --- Nothing of it in a snapshot.
    Result<void, int> mkdir(const File& parent, const char* leaf, mode_t mode) override {
        return parent.snapshot != 0 ? EROFS : next().mkdir(parent, leaf, mode);
    }
    Result<void, int> unlink(const File& parent, const char* leaf) override {
        return parent.snapshot != 0 ? EROFS : next().unlink(parent, leaf);
    }
    Result<void, int> rmdir(const File& parent, const char* leaf) override {
        return parent.snapshot != 0 ? EROFS : next().rmdir(parent, leaf);
    }
    Result<void, int> rename(const File& parent, const char* leaf, const File& new_parent, const char* new_leaf, bool replace) override {
        if (parent.snapshot != 0 || new_parent.snapshot != 0) return EROFS;
        return next().rename(parent, leaf, new_parent, new_leaf, replace);
    }
    Result<void, int> link(const File& file, const File& new_parent, const char* new_leaf) override {
        return file.snapshot != 0 || new_parent.snapshot != 0 ? EROFS : next().link(file, new_parent, new_leaf);
    }
    Result<void, int> set_dos_attributes(const File& file, const Stat& stat, const DosAttributes& value) override {
        return file.snapshot != 0 ? EROFS : next().set_dos_attributes(file, stat, value);
    }
    Result<void, int> set_times(const File& file, const timespec& access, const timespec& write) override {
        return file.snapshot != 0 ? EROFS : next().set_times(file, access, write);
    }
    Result<void, int> chmod(const File& file, mode_t mode) override { return file.snapshot != 0 ? EROFS : next().chmod(file, mode); }
    Result<void, int> chown(const File& file, uid_t uid, gid_t gid) override {
        return file.snapshot != 0 ? EROFS : next().chown(file, uid, gid);
    }
    Result<void, int> set_compressed(const File& file, bool compressed) override {
        return file.snapshot != 0 ? EROFS : next().set_compressed(file, compressed);
    }
    Result<void, int> set_descriptor(const File& file, const Stat& stat, uint32_t parts,
                                     const security::SecurityDescriptor& value) override {
        return file.snapshot != 0 ? EROFS : next().set_descriptor(file, stat, parts, value);
    }
    Result<void, int> set_xattr(const File& file, const char* name, Bytes value) override {
        return file.snapshot != 0 ? EROFS : next().set_xattr(file, name, value);
    }
    Result<void, int> remove_xattr(const File& file, const char* name) override {
        return file.snapshot != 0 ? EROFS : next().remove_xattr(file, name);
    }
    Result<void, int> remove_stream(const File& file, const std::string& stored) override {
        return file.snapshot != 0 ? EROFS : next().remove_stream(file, stored);
    }
    Result<void, int> rename_stream(const File& file, const std::string& stored, const std::string& new_name) override {
        return file.snapshot != 0 ? EROFS : next().rename_stream(file, stored, new_name);
    }
    Result<size_t, int> pwrite(const File& file, Bytes data, uint64_t offset) override {
        return file.snapshot != 0 ? Result<size_t, int>(EROFS) : next().pwrite(file, data, offset);
    }
    Result<void, int> truncate(const File& file, uint64_t size) override {
        return file.snapshot != 0 ? EROFS : next().truncate(file, size);
    }
    Result<void, int> allocate(const File& file, Allocate how, uint64_t offset, uint64_t length) override {
        return file.snapshot != 0 ? EROFS : next().allocate(file, how, offset, length);
    }
    Result<size_t, int> copy_range(const File& source, uint64_t from, const File& target, uint64_t to, size_t length) override {
        return target.snapshot != 0 ? Result<size_t, int>(EROFS) : next().copy_range(source, from, target, to, length);
    }
    Result<void, int> clone_range(const File& source, uint64_t from, const File& target, uint64_t to, uint64_t length) override {
        return target.snapshot != 0 ? EROFS : next().clone_range(source, from, target, to, length);
    }

 private:
    enum class Sort { descending, ascending, none };

    void read_options();
    void find_inside();
    template <class Visit>
    void for_each_place(const std::string& path, Visit visit);
    template <class Visit>
    void for_each_place_upwards(const std::string& path, Visit visit);
    Result<File, int> open_snapshot(const std::string& path, int64_t time, const OpenHow& how);
    Result<File, int> open_top(const Place& place, int64_t time);
    Result<std::string, int> find_name(int directory, int64_t time);
    Result<void, int> read_names(int directory, std::vector<int64_t>* times, int64_t wanted, std::string& name);
    bool is_root(const File& directory);
    [[nodiscard]] Result<Stat, int> disguised(Result<Stat, int> stat, int64_t snapshot) const;

    SnapshotNames names_;
    std::string share_;        // the share's root, absolute, without symlinks
    std::string mount_point_;  // of its file system
    std::string snapdir_;      // absolute, or below the mount point, or below each directory
    std::string inside_;       // where the share's root is in each snapshot
    Sort sort_ = Sort::descending;
    bool everywhere_ = false, across_mounts_ = false, fix_inodes_ = false;
};

ShadowCopy2::ShadowCopy2(std::unique_ptr<Vfs> below) : Module(std::move(below)), names_(options()) {
    std::array<char, PATH_MAX> real;
    const ssize_t n = ::readlink(ProcPath(root().fd.get()).text, real.data(), real.size());
    share_ = n > 0 ? std::string(real.data(), static_cast<size_t>(n)) : options().path;
    read_options();
    find_inside();
}

void ShadowCopy2::read_options() {
    const Options& o = options();
    mount_point_ = without_slashes_at_end(expanded_text(o, "shadow:mountpoint", ""));
    std::string rest;
    if (!mount_point_.empty() && !strip(share_, mount_point_, rest)) {
        log_warning("share '{}': its path {} is not below shadow:mountpoint {}, which does not count", o.share, share_, mount_point_);
        mount_point_.clear();
    }
    if (mount_point_.empty()) mount_point_ = mount_point_of(share_);
    snapdir_ = without_slashes_at_end(expanded_text(o, "shadow:snapdir", ".snapshots"));
    const std::string sort = option_text(o, "shadow:sort", "desc");
    if (!equal_ignoring_ascii_case(sort, "desc")) sort_ = equal_ignoring_ascii_case(sort, "asc") ? Sort::ascending : Sort::none;
    fix_inodes_ = option_flag(o, "shadow:fixinodes", false);
    everywhere_ = option_flag(o, "shadow:snapdirseverywhere", false);
    across_mounts_ = option_flag(o, "shadow:crossmountpoints", false);
    if (snapdir_.starts_with('/') && (everywhere_ || across_mounts_)) {
        log_warning("share '{}': an absolute shadow:snapdir turns shadow:snapdirseverywhere and shadow:crossmountpoints off", o.share);
        everywhere_ = across_mounts_ = false;
    }
    if (across_mounts_ && !everywhere_) {
        log_warning("share '{}': shadow:crossmountpoints counts only with shadow:snapdirseverywhere", o.share);
    }
}

// shadow:basedir, shadow:snapsharepath: which of them counts is told in the manual page.
void ShadowCopy2::find_inside() {
    const Options& o = options();
    std::string base = without_slashes_at_end(expanded_text(o, "shadow:basedir", ""));
    std::string in_snapshot = without_slashes_at_end(expanded_text(o, "shadow:snapsharepath", ""));
    while (in_snapshot.starts_with('/')) in_snapshot.erase(0, 1);
    if (!base.empty() && everywhere_) {
        log_warning("share '{}': shadow:snapdirseverywhere turns shadow:basedir off", o.share);
        base.clear();
    }
    if (!in_snapshot.empty() && (everywhere_ || !base.empty() || !is_valid_path(in_snapshot))) {
        log_warning(
            "share '{}': shadow:snapsharepath does not count: shadow:snapdirseverywhere or shadow:basedir is there, or it is no path",
            o.share);
        in_snapshot.clear();
    }
    if (!base.empty() && !strip(share_, base, inside_)) {
        log_warning("share '{}': its path {} is not below shadow:basedir {}, which does not count", o.share, share_, base);
        base.clear();
    }
    if (base.empty() && !strip(share_, mount_point_, inside_)) inside_.clear();
    if (!in_snapshot.empty()) inside_ = in_snapshot;
}

// visit(place), until one says that it is done.
template <class Visit>
void ShadowCopy2::for_each_place(const std::string& path, Visit visit) {
    if (everywhere_) return for_each_place_upwards(path, visit);
    const bool absolute = snapdir_.starts_with('/');
    const UniqueFd top(::open(absolute ? snapdir_.c_str() : mount_point_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (top) (void)visit(Place{top.get(), absolute ? std::string() : snapdir_, inside_, path});
}

// From the file itself up to the share's root, and on to the mount point. Directories that are not there any more have no snapshots of
// their own; those above them may have them.
template <class Visit>
void ShadowCopy2::for_each_place_upwards(const std::string& path, Visit visit) {
    OpenHow how;
    how.directory = true;
    for (std::string at = path;; at = parent_of(at)) {
        if (const auto directory = next().open(at.c_str(), how)) {
            const std::string rest = at.empty() ? path : path.substr(std::min(at.size() + 1, path.size()));
            if (visit(Place{directory->fd.get(), snapdir_, {}, rest})) return;
            if (!across_mounts_ && is_mount_root(directory->fd.get())) return;
        }
        if (at.empty()) break;
    }
    std::string inside, at = share_;
    while (at != "/" && (across_mounts_ || at != mount_point_)) {
        inside = joined(std::string(at.substr(at.rfind('/') + 1)), inside);
        at = parent_directory(at);
        const UniqueFd directory(::open(at.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (directory && visit(Place{directory.get(), snapdir_, inside, path})) return;
    }
}

// With `times`: all there are. Without: the name of the one of the `wanted` time.
Result<void, int> ShadowCopy2::read_names(int directory, std::vector<int64_t>* times, int64_t wanted, std::string& name) {
    auto fd = open_once(directory, "", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0);
    if (!fd) return fd.failure();
    const std::unique_ptr<DIR, CloseDirectory> reader(::fdopendir(fd->get()));
    if (!reader) return errno;
    (void)fd->release();
    for (const dirent* entry = ::readdir(reader.get()); entry != nullptr; entry = ::readdir(reader.get())) {
        const auto time = names_.time_of(entry->d_name);
        if (!time) continue;
        if (times == nullptr && *time == wanted) {
            name = entry->d_name;
            return {};
        }
        if (times != nullptr && times->size() < max_snapshots) times->push_back(*time);
    }
    return times == nullptr ? Result<void, int>(ENOENT) : Result<void, int>();
}

Result<std::string, int> ShadowCopy2::find_name(int directory, int64_t time) {
    if (auto name = names_.name_of(time)) return name->empty() ? Result<std::string, int>(ENOENT) : std::move(*name);
    std::string name;
    if (auto r = read_names(directory, nullptr, time, name); !r) return r.failure();
    return name;
}

// The directory that stands for the place's in the snapshot of that time.
Result<File, int> ShadowCopy2::open_top(const Place& place, int64_t time) {
    auto all = open_once(place.directory, place.snapshots.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC, 0, beneath);
    if (!all) return all.failure();
    const auto name = find_name(all->get(), time);
    if (!name) return name.failure();
    auto fd = open_once(all->get(), joined(*name, place.inside).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC, 0, beneath);
    if (!fd) return fd.failure();
    File top;
    top.fd = std::move(*fd);
    top.path_only = true;
    return top;
}

// EXDEV, for a symlink that leads out of it, as from open.
Result<File, int> ShadowCopy2::open_snapshot(const std::string& path, int64_t time, const OpenHow& how) {
    const bool writes = how.access == Access::write || how.access == Access::read_write;
    OpenHow reading = how;
    if (writes) reading.access = Access::path;
    Result<File, int> found = ENOENT;
    for_each_place(path, [&](const Place& place) {
        auto top = open_top(place, time);
        auto file = top ? next().open_below(*top, place.rest.c_str(), reading) : std::move(top);
        if (file || is_missing(found.error())) found = std::move(file);
        return found.ok();
    });
    if (!found) return found;
    if (writes) return EROFS;
    found->snapshot = time;
    return found;
}

Result<void, int> ShadowCopy2::list_snapshots(const std::string& path, std::vector<int64_t>& times) {
    const std::string_view first = std::string_view(path).substr(0, path.find('/'));
    const std::string below = parse_snapshot_token(first) ? path.substr(std::min(first.size() + 1, path.size())) : path;
    Result<void, int> listed;
    for_each_place(below, [&](const Place& place) {
        auto all = open_once(place.directory, place.snapshots.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC, 0, beneath);
        if (!all && is_missing(all.error())) return false;
        std::string unused;
        listed = all ? read_names(all->get(), &times, 0, unused) : all.failure();
        return true;
    });
    if (sort_ == Sort::descending) std::sort(times.begin(), times.end(), std::greater<>());
    if (sort_ == Sort::ascending) std::sort(times.begin(), times.end());
    return listed;
}

Result<File, int> ShadowCopy2::open(const char* path, const OpenHow& how) {
    if (*path != '@') return next().open(path, how);
    const std::string_view whole(path);
    const auto time = parse_snapshot_token(whole.substr(0, whole.find('/')));
    if (!time) return next().open(path, how);
    return open_snapshot(std::string(whole.substr(std::min(snapshot_token_size + 1, whole.size()))), *time, how);
}

Result<File, int> ShadowCopy2::open_at(const File& parent, const char* leaf, const OpenHow& how) {
    if (parent.snapshot == 0) return next().open_at(parent, leaf, how);
    if (how.create || how.access == Access::write || how.access == Access::read_write) return EROFS;
    auto file = next().open_at(parent, leaf, how);
    if (file) file->snapshot = parent.snapshot;
    return file;
}

Result<File, int> ShadowCopy2::reopen(const File& file, Access access) {
    if (file.snapshot != 0 && (access == Access::write || access == Access::read_write)) return EROFS;
    auto again = next().reopen(file, access);
    if (again) again->snapshot = file.snapshot;
    return again;
}

Result<File, int> ShadowCopy2::open_stream(const File& file, std::string& name, const OpenHow& how) {
    const bool writes = how.create || how.access == Access::write || how.access == Access::read_write;
    if (file.snapshot != 0 && writes) return EROFS;
    auto stream = next().open_stream(file, name, how);
    if (stream) stream->snapshot = file.snapshot;
    return stream;
}

// shadow:fixinodes: file systems that give a file and its snapshots one inode number.
Result<Stat, int> ShadowCopy2::disguised(Result<Stat, int> stat, int64_t snapshot) const {
    constexpr uint64_t odd = 0x9e3779b97f4a7c15;
    if (stat && snapshot != 0 && fix_inodes_) stat->inode = (stat->inode ^ static_cast<uint64_t>(snapshot)) * odd;
    return stat;
}

Result<Stat, int> ShadowCopy2::stat(const File& file) { return disguised(next().stat(file), file.snapshot); }

bool ShadowCopy2::is_root(const File& directory) {
    const auto its = next().stat(directory), roots = next().stat(root());
    return its && roots && its->inode == roots->inode && its->device == roots->device;
}

Result<Stat, int> ShadowCopy2::stat_at(const File& parent, const char* leaf) {
    const auto time = *leaf == '@' && parent.snapshot == 0 ? parse_snapshot_token(leaf) : std::nullopt;
    if (!time || !is_root(parent)) return disguised(next().stat_at(parent, leaf), parent.snapshot);
    const auto top = open_snapshot({}, *time, {});
    if (!top) return top.error();
    return stat(*top);
}

}  // namespace

std::unique_ptr<Vfs> make_shadow_copy2(std::unique_ptr<Vfs> next) { return std::make_unique<ShadowCopy2>(std::move(next)); }

}  // namespace Atoll::vfs
