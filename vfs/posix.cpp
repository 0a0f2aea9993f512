#include "vfs/posix.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdio>

#include "base/bytes.h"
#include "base/utf.h"
#include "vfs/beneath.h"
#include "vfs/dos_attributes.h"

namespace Atoll::vfs {

namespace {

int open_flags(const OpenHow& how) {
    // O_NONBLOCK: a FIFO must not hold the server up. It means nothing for regular files and directories.
    int flags = O_CLOEXEC;
    switch (how.access) {
        case Access::path: flags |= O_PATH; break;
        case Access::read: flags |= O_RDONLY | O_NONBLOCK | O_NOCTTY; break;
        case Access::write: flags |= O_WRONLY | O_NONBLOCK | O_NOCTTY; break;
        case Access::read_write: flags |= O_RDWR | O_NONBLOCK | O_NOCTTY; break;
    }
    if (how.create) flags |= O_CREAT | O_EXCL;
    if (how.directory) flags |= O_DIRECTORY;
    if (how.no_follow) flags |= O_NOFOLLOW;
    return flags;
}

Result<void, int> done(int result) {
    if (result != 0) return errno;
    return {};
}

File file_from(UniqueFd fd, Access access) {
    File file;
    file.fd = std::move(fd);
    file.path_only = access == Access::path;
    return file;
}

timespec to_timespec(const struct statx_timestamp& t) {
    timespec out{};
    out.tv_sec = t.tv_sec;
    out.tv_nsec = static_cast<long>(t.tv_nsec);
    return out;
}

Features features_of(decltype(statfs::f_type) type) {
    const bool btrfs = type == BTRFS_SUPER_MAGIC;
    return {.sparse = type != MSDOS_SUPER_MAGIC && type != EXFAT_SUPER_MAGIC, .clone = btrfs, .compression = btrfs};
}

Stat to_stat(const struct statx& x) {
    Stat s;
    s.inode = x.stx_ino;
    s.size = x.stx_size;
    s.allocated = x.stx_blocks * 512;
    s.device = static_cast<uint64_t>(x.stx_dev_major) << 32 | x.stx_dev_minor;
    s.links = x.stx_nlink;
    s.mode = x.stx_mode;
    s.uid = x.stx_uid;
    s.gid = x.stx_gid;
    s.access_time = to_timespec(x.stx_atime);
    s.write_time = to_timespec(x.stx_mtime);
    s.change_time = to_timespec(x.stx_ctime);
    s.has_birth_time = (x.stx_mask & STATX_BTIME) != 0;
    if (s.has_birth_time) s.birth_time = to_timespec(x.stx_btime);
    s.compressed = (x.stx_attributes & STATX_ATTR_COMPRESSED) != 0;
    return s;
}

Result<Stat, int> stat_by(int fd, const char* path, int flags) {
    struct statx x {};
    if (::statx(fd, path, flags | AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_BTIME, &x) != 0) return errno;
    return to_stat(x);
}

}  // namespace

FileType Stat::type() const {
    if (S_ISREG(mode)) return FileType::regular;
    if (S_ISDIR(mode)) return FileType::directory;
    return S_ISLNK(mode) ? FileType::symlink : FileType::other;
}

Result<std::unique_ptr<PosixVfs>> PosixVfs::connect(Options options) {
    const auto algorithm = parse_id_algorithm(options.fileid_algorithm);
    if (!algorithm) return fail(Code::invalid, options.share, "unknown fileid:algorithm '" + options.fileid_algorithm + "'");
    ::umask(0);
    auto vfs = std::unique_ptr<PosixVfs>(new PosixVfs(std::move(options), *algorithm));
    const std::string& path = vfs->options_.path;
    vfs->root_.fd.reset(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    vfs->root_.path_only = true;
    if (!vfs->root_.valid()) return fail_errno(errno, vfs->options_.share, "cannot open the share's path " + path);
    std::array<char, PATH_MAX> real;
    const ssize_t n = ::readlink(ProcPath(vfs->root_.fd.get()).text, real.data(), real.size());
    if (n < 0) return fail_errno(errno, vfs->options_.share, "cannot tell the real path of " + path + " (is /proc mounted?)");
    vfs->real_path_.assign(real.data(), static_cast<size_t>(n));
    struct statfs kind {};
    if (::fstatfs(vfs->root_.fd.get(), &kind) != 0) return fail_errno(errno, vfs->options_.share, "cannot tell the file system of " + path);
    vfs->in_memory_ = kind.f_type == TMPFS_MAGIC || kind.f_type == RAMFS_MAGIC;
    vfs->features_ = features_of(kind.f_type);
    vfs->remembered_.emplace(vfs->root_.fd.get());
    auto stat = vfs->stat(vfs->root_);
    if (!stat) return fail_errno(stat.error(), vfs->options_.share, "cannot stat " + path);
    if (!vfs->volumes_.set_root(vfs->root_.fd.get(), *stat)) {
        return fail(Code::unsupported, vfs->options_.share,
                    "cannot tell the file system of " + path + " apart from others: set fileid:algorithm");
    }
    return vfs;
}

Result<File, int> PosixVfs::open(const char* path, const OpenHow& how) {
    ATOLL_ASSERT(!how.create);
    const Beneath beneath{root_.fd.get(), options_.follow_symlinks, options_.wide_links, options_.path, real_path_};
    auto fd = open_beneath(beneath, path, open_flags(how), 0);
    if (!fd) return fd.failure();
    return file_from(std::move(*fd), how.access);
}

Result<File, int> PosixVfs::open_below(const File& top, const char* path, const OpenHow& how) {
    ATOLL_ASSERT(!how.create);
    const std::string nowhere;
    auto fd = open_beneath({top.fd.get(), options_.follow_symlinks, false, nowhere, nowhere}, path, open_flags(how), 0);
    if (!fd) return fd.failure();
    return file_from(std::move(*fd), how.access);
}

Result<File, int> PosixVfs::open_at(const File& parent, const char* leaf, const OpenHow& how) {
    auto fd = open_once(parent.fd.get(), leaf, open_flags(how) | O_NOFOLLOW, how.mode,
                        RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
    if (!fd) return fd.failure();
    return file_from(std::move(*fd), how.access);
}

Result<File, int> PosixVfs::reopen(const File& file, Access access) {
    OpenHow how;
    how.access = access;
    UniqueFd fd(::open(ProcPath(file.fd.get()).text, open_flags(how)));
    if (!fd) return errno;
    return file_from(std::move(fd), access);
}

// The handle's type, then its bytes.
Result<void, int> PosixVfs::handle(const File& file, Buffer& out) {
    alignas(file_handle) std::array<unsigned char, sizeof(file_handle) + MAX_HANDLE_SZ> room{};
    auto* const handle = reinterpret_cast<file_handle*>(room.data());
    handle->handle_bytes = MAX_HANDLE_SZ;
    int mount = 0;
    if (::name_to_handle_at(file.fd.get(), "", handle, &mount, AT_EMPTY_PATH) != 0) return errno;
    out.clear();
    ByteWriter writer(out);
    writer.u32(static_cast<uint32_t>(handle->handle_type));
    writer.bytes({handle->f_handle, handle->handle_bytes});
    return {};
}

Result<File, int> PosixVfs::open_handle(Bytes bytes) {
    if (bytes.size() < sizeof(uint32_t) || bytes.size() > sizeof(uint32_t) + MAX_HANDLE_SZ) return EINVAL;
    alignas(file_handle) std::array<unsigned char, sizeof(file_handle) + MAX_HANDLE_SZ> room{};
    auto* const handle = reinterpret_cast<file_handle*>(room.data());
    handle->handle_type = static_cast<int>(load_le<uint32_t>(bytes.data()));
    bytes = bytes.subspan(sizeof(uint32_t));
    handle->handle_bytes = static_cast<unsigned>(bytes.size());
    std::ranges::copy(bytes, handle->f_handle);
    // It wants a descriptor on the file system that is not of the path alone.
    const UniqueFd mount(::open(ProcPath(root_.fd.get()).text, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!mount) return errno;
    UniqueFd fd(::open_by_handle_at(mount.get(), handle, O_PATH | O_CLOEXEC));
    if (!fd) return errno;
    return file_from(std::move(fd), Access::path);
}

Result<void, int> PosixVfs::mkdir(const File& parent, const char* leaf, mode_t mode) {
    return done(::mkdirat(parent.fd.get(), leaf, mode));
}
Result<void, int> PosixVfs::unlink(const File& parent, const char* leaf) { return done(::unlinkat(parent.fd.get(), leaf, 0)); }
Result<void, int> PosixVfs::rmdir(const File& parent, const char* leaf) { return done(::unlinkat(parent.fd.get(), leaf, AT_REMOVEDIR)); }

Result<void, int> PosixVfs::rename(const File& parent, const char* leaf, const File& new_parent, const char* new_leaf, bool replace) {
    const unsigned flags = replace ? 0 : RENAME_NOREPLACE;
    if (::renameat2(parent.fd.get(), leaf, new_parent.fd.get(), new_leaf, flags) == 0) return {};
    if (errno != EINVAL || replace) return errno;
    // Some file systems do not know RENAME_NOREPLACE: look first.
    struct stat there {};
    if (::fstatat(new_parent.fd.get(), new_leaf, &there, AT_SYMLINK_NOFOLLOW) == 0) return EEXIST;
    return done(::renameat(parent.fd.get(), leaf, new_parent.fd.get(), new_leaf));
}

Result<void, int> PosixVfs::link(const File& file, const File& new_parent, const char* new_leaf) {
    return done(::linkat(AT_FDCWD, ProcPath(file.fd.get()).text, new_parent.fd.get(), new_leaf, AT_SYMLINK_FOLLOW));
}

Result<std::string, int> PosixVfs::read_link(const File& parent, const char* leaf) {
    std::array<char, PATH_MAX> target;
    const ssize_t n = ::readlinkat(parent.fd.get(), leaf, target.data(), target.size());
    if (n < 0) return errno;
    return std::string(target.data(), static_cast<size_t>(n));
}

Result<Stat, int> PosixVfs::stat(const File& file) { return stat_by(file.fd.get(), "", AT_EMPTY_PATH); }
Result<Stat, int> PosixVfs::stat_at(const File& parent, const char* leaf) { return stat_by(parent.fd.get(), leaf, AT_SYMLINK_NOFOLLOW); }
FileId PosixVfs::file_id(const File& file, const Stat& stat) { return volumes_.file_id(file.fd.get(), stat); }

Result<void, int> PosixVfs::set_times(const File& file, const timespec& access, const timespec& write) {
    const std::array<timespec, 2> times{access, write};
    if (!file.path_only) return done(::futimens(file.fd.get(), times.data()));
    return done(::utimensat(AT_FDCWD, ProcPath(file.fd.get()).text, times.data(), 0));
}

Result<void, int> PosixVfs::chmod(const File& file, mode_t mode) {
    if (!file.path_only) return done(::fchmod(file.fd.get(), mode & 07777u));
    return done(::chmod(ProcPath(file.fd.get()).text, mode & 07777u));
}

Result<void, int> PosixVfs::chown(const File& file, uid_t uid, gid_t gid) {
    return done(::fchownat(file.fd.get(), "", uid, gid, AT_EMPTY_PATH));
}

Result<Space, int> PosixVfs::space(const File& file) {
    struct statfs info {};
    if (::fstatfs(file.fd.get(), &info) != 0) return errno;
    Space s;
    s.block_size = static_cast<uint64_t>(info.f_frsize != 0 ? info.f_frsize : info.f_bsize);
    s.blocks = info.f_blocks;
    s.blocks_free = info.f_bfree;
    s.blocks_available = info.f_bavail;
    s.files = info.f_files;
    s.files_free = info.f_ffree;
    s.name_max = static_cast<uint32_t>(info.f_namelen);
    s.read_only = (info.f_flags & ST_RDONLY) != 0;
    return s;
}

bool PosixVfs::may(const File& file, int mode) { return ::faccessat(file.fd.get(), "", mode, AT_EACCESS | AT_EMPTY_PATH) == 0; }

Result<size_t, int> PosixVfs::get_xattr(const File& file, const char* name, MutableBytes out) {
    const ssize_t n = file.path_only ? get_xattr_of(file.fd.get(), name, out) : ::fgetxattr(file.fd.get(), name, out.data(), out.size());
    if (n < 0) return Failure<int>(errno);
    return static_cast<size_t>(n);
}

Result<void, int> PosixVfs::set_xattr(const File& file, const char* name, Bytes value) {
    return done(file.path_only ? ::setxattr(ProcPath(file.fd.get()).text, name, value.data(), value.size(), 0)
                               : ::fsetxattr(file.fd.get(), name, value.data(), value.size(), 0));
}

Result<void, int> PosixVfs::remove_xattr(const File& file, const char* name) {
    return done(file.path_only ? ::removexattr(ProcPath(file.fd.get()).text, name) : ::fremovexattr(file.fd.get(), name));
}

Result<size_t, int> PosixVfs::list_xattr(const File& file, MutableBytes out) {
    auto* text = reinterpret_cast<char*>(out.data());
    const ssize_t n =
        file.path_only ? ::listxattr(ProcPath(file.fd.get()).text, text, out.size()) : ::flistxattr(file.fd.get(), text, out.size());
    if (n < 0) return Failure<int>(errno);
    return static_cast<size_t>(n);
}

Result<size_t, int> PosixVfs::get_xattr_at(const File& parent, const char* leaf, const char* name, MutableBytes out) {
    const ssize_t n = vfs::get_xattr_at(parent.fd.get(), leaf, name, out);
    if (n < 0) return Failure<int>(errno);
    return static_cast<size_t>(n);
}

Result<size_t, int> PosixVfs::list_xattr_at(const File& parent, const char* leaf, MutableBytes out) {
    const ssize_t n = ::llistxattr(ProcPath(parent.fd.get(), leaf).text, reinterpret_cast<char*>(out.data()), out.size());
    if (n < 0) return Failure<int>(errno);
    return static_cast<size_t>(n);
}

bool PosixVfs::owns_xattr(std::string_view name) const { return equal_ignoring_case(name, dos_attrib_xattr); }

}  // namespace Atoll::vfs
