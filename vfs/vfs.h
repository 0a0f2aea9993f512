// The file system as smbd sees it: one Vfs per connected share, a stack of modules (`vfs objects`) with the POSIX backend at its foot.
//
// Errors are errno. Every call runs under the identity that the calling thread has (base/loop switches it); nothing here changes it.
// Paths are UTF-8, relative to the share's root, components separated by '/', without leading, trailing or double slash, "." or ".."
// (is_valid_path); "" is the root itself. They are resolved by openat2 beneath the root's descriptor, never by joining strings, so no
// path leads out of the share unless `wide links` says so. Names (leaf) are one component. Both are NUL-terminated.
//
// Threads: calls that take a File and move data (pread, pwrite, fsync and their kin) may be made on any thread, as long as the File
// outlives them; all others belong to the process's main thread, or to one pool thread at a time.
#pragma once

#include <sys/types.h>

#include <cerrno>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/nt_status.h"
#include "base/result.h"
#include "base/time.h"
#include "base/unique_fd.h"
#include "libcli/security/id_map.h"
#include "libcli/security/security_descriptor.h"

namespace Atoll::vfs {

enum class MapReadonly { no, yes, permissions };
enum class MangledNames { no, illegal, yes };  // `illegal`: only names that cannot be said to a client are shown by their 8.3 name

// What smb.conf says about one share, as far as the file system is concerned. Defaults are smb.conf's.
struct Options {
    std::string share;                 // its name, for messages
    std::string path;                  // of its root, absolute
    std::vector<std::string> modules;  // `vfs objects`, top first
    bool follow_symlinks = true;
    bool wide_links = false;      // already false unless smb.conf's other conditions for it hold
    bool case_sensitive = false;  // `case sensitive = yes`: no scan after a miss
    MangledNames mangled_names = MangledNames::illegal;
    char mangling_char = '~';
    bool store_dos_attributes = true;
    bool map_archive = true;
    bool map_hidden = false;
    bool map_system = false;
    MapReadonly map_readonly = MapReadonly::no;
    bool hide_dot_files = true;
    mode_t create_mask = 0744;
    mode_t force_create_mode = 0;
    mode_t directory_mask = 0755;
    mode_t force_directory_mode = 0;
    bool inherit_permissions = false;
    bool dos_filemode = false;  // who may write may also change rights, and is told so
    bool strict_allocate = false;
    bool acl_map_full_control = true;
    bool force_unknown_acl_user = false;
    bool map_acl_inherit = false;
    security::IdMap* ids = nullptr;  // who uids and gids are; must outlive the Vfs. Null: S-1-22-1-uid and S-1-22-2-gid
    std::string fileid_algorithm;    // `fileid:algorithm`; empty: by f_fsid, UUID or mount source
    std::function<std::string(std::string_view text)> expand;  // %-macros of smb.conf; may be empty
    std::function<std::string(std::string_view name)>
        parametric;  // "module:option" of this share, for modules; "" where unset; may be empty
};

enum class FileType : uint8_t { regular, directory, symlink, other };

// What statx tells. Sizes in bytes.
struct Stat {
    uint64_t inode = 0;
    uint64_t size = 0;
    uint64_t allocated = 0;  // 512 * st_blocks
    uint64_t device = 0;     // st_dev; tells mounts of this node apart, never part of an identifier
    uint32_t links = 0;
    uint32_t mode = 0;  // permission bits and type
    uint32_t uid = 0;
    uint32_t gid = 0;
    timespec access_time{};
    timespec write_time{};
    timespec change_time{};
    timespec birth_time{};  // zero where the file system keeps none
    bool has_birth_time = false;
    bool compressed = false;  // FS_COMPR_FL: the file system compresses it, or what is made in it

    [[nodiscard]] FileType type() const;
    [[nodiscard]] bool is_directory() const { return type() == FileType::directory; }
};

// Names a file across processes and nodes (docs/design.md, "State"); the key of share modes and locks. Hash and compare as bytes.
struct FileId {
    uint64_t volume = 0;
    uint64_t inode = 0;
    uint64_t generation = 0;  // birth time in ns where there is one, else 0

    auto operator<=>(const FileId&) const = default;
};

// DOS attributes are the FILE_ATTRIBUTE_* bits of MS-FSCC 2.6.
struct DosAttributes {
    uint32_t attributes = 0;  // never 0 when returned: FILE_ATTRIBUTE_NORMAL or others; DIRECTORY is set for directories
    NtTime create_time;       // stored one, else birth time, else the earliest of the file's times
    NtTime change_time;       // one that a client has set, and that nothing has changed since; else 0: the file system's counts
    bool stored = false;      // came from user.DOSATTRIB, not from mode bits
};

struct Space {
    uint64_t block_size = 0;  // bytes of a block
    uint64_t blocks = 0;
    uint64_t blocks_free = 0;       // to root
    uint64_t blocks_available = 0;  // to the caller
    uint64_t files = 0, files_free = 0;
    uint32_t name_max = 255;  // bytes
    bool read_only = false;   // mounted so
};

// What a module above the POSIX backend keeps with a file.
struct FileExtension {
    virtual ~FileExtension() = default;
};

// An open file or directory.
struct File {
    UniqueFd fd;
    bool path_only = false;  // O_PATH: stat, attributes, links and reopening work; data does not
    // An alternate stream of the file (Vfs::open_stream): its data and its sizes are the stream's; everything else is the file's. The
    // descriptor is one of the file: only for what the file is, never for data.
    bool stream = false;
    // Seconds since 1970: the file as it was at that time (Vfs::has_snapshots), which nobody changes. 0: as it is.
    int64_t snapshot = 0;
    std::unique_ptr<FileExtension> extension;

    [[nodiscard]] bool valid() const { return fd.valid(); }
};

enum class Access : uint8_t {
    path,  // O_PATH
    read,  // O_RDONLY: needed for data, and to list a directory
    write,
    read_write,
};

struct OpenHow {
    Access access = Access::path;
    bool create = false;     // O_CREAT | O_EXCL: the leaf must not be there. Only in open_at
    bool directory = false;  // fail with ENOTDIR unless it is one
    bool no_follow = false;  // a symlink as leaf is opened itself (with path) or refused (ELOOP)
    mode_t mode = 0;         // of a created file, not masked by a umask
};

// An alternate data stream (MS-FSCC 2.1.5.3), sizes in bytes.
struct StreamInfo {
    std::string name;  // UTF-8, without colons and type
    uint64_t size = 0;
    uint64_t allocated = 0;
};

// A lock on a range of a file, as the kernel keeps it for an open file description (F_OFD_SETLK).
enum class RangeLock : uint8_t { none, shared, exclusive };

// What the file system of a share has that not every one has.
struct Features {
    bool sparse = false;       // holes, and telling where they are
    bool clone = false;        // blocks that several files share
    bool compression = false;  // by file and directory
};

// What fallocate offers.
enum class Allocate : uint8_t { keep_size, punch_hole, zero_range };

class Vfs {
 public:
    virtual ~Vfs() = default;
    Vfs() = default;
    Vfs(const Vfs&) = delete;
    Vfs& operator=(const Vfs&) = delete;

    virtual const Options& options() const = 0;
    virtual const File& root() const = 0;             // the share's root, path_only
    virtual bool read_only() const { return false; }  // nobody may change anything here: for the caller to enforce

    // --- Names. A failure is ENOENT for a missing leaf and ENOTDIR or ENOENT for a missing or wrong component (NameLookup tells
    // --- them apart), EXDEV for a symlink that leaves the share, ELOOP for one that may not be followed or too many.
    virtual Result<File, int> open(const char* path, const OpenHow& how) = 0;
    // As open, with `top`, an open directory, in place of the share's root: no symlink leads out of it, and absolute ones lead nowhere.
    virtual Result<File, int> open_below(const File& top, const char* path, const OpenHow& how) = 0;
    // One component below an open directory; a symlink as leaf is never followed.
    virtual Result<File, int> open_at(const File& parent, const char* leaf, const OpenHow& how) = 0;
    // The same file with another access, by its descriptor: no name is looked up.
    virtual Result<File, int> reopen(const File& file, Access access) = 0;
    // A name of the file that is its own for as long as it is there, whatever becomes of its paths, and across restarts. EOPNOTSUPP where
    // the file system has none.
    virtual Result<void, int> handle(const File& file, Buffer& out) = 0;
    // The file of that handle, path_only; it may be anywhere on the share's file system. Only for root (EPERM). ESTALE: it has gone.
    virtual Result<File, int> open_handle(Bytes handle) = 0;
    virtual Result<void, int> mkdir(const File& parent, const char* leaf, mode_t mode) = 0;  // mode not masked by a umask
    virtual Result<void, int> unlink(const File& parent, const char* leaf) = 0;
    virtual Result<void, int> rmdir(const File& parent, const char* leaf) = 0;
    // Without `replace`, EEXIST if the target is there (RENAME_NOREPLACE).
    virtual Result<void, int> rename(const File& parent, const char* leaf, const File& new_parent, const char* new_leaf, bool replace) = 0;
    virtual Result<void, int> link(const File& file, const File& new_parent, const char* new_leaf) = 0;
    virtual Result<std::string, int> read_link(const File& parent, const char* leaf) = 0;

    // --- What a file is.
    virtual Result<Stat, int> stat(const File& file) = 0;
    virtual Result<Stat, int> stat_at(const File& parent, const char* leaf) = 0;  // does not follow
    virtual FileId file_id(const File& file, const Stat& stat) = 0;  // `file` is the stat's file, or any on the same file system
    // One fgetxattr (none if `store dos attributes = no`). Falls back to mode bits when nothing is stored or readable.
    virtual DosAttributes dos_attributes(const File& file, const Stat& stat, std::string_view leaf) = 0;
    virtual DosAttributes dos_attributes_at(const File& parent, const char* leaf, const Stat& stat) = 0;
    // Stores attributes (FILE_ATTRIBUTE_*; NORMAL and DIRECTORY are not stored) and creation time; with `store dos attributes = no`
    // maps them to mode bits as `map archive` and its kin say. EACCES or EPERM if the caller may not.
    virtual Result<void, int> set_dos_attributes(const File& file, const Stat& stat, const DosAttributes& value) = 0;
    virtual Result<void, int> set_times(const File& file, const timespec& access,
                                        const timespec& write) = 0;  // tv_nsec may be UTIME_OMIT or UTIME_NOW
    virtual Result<void, int> chmod(const File& file, mode_t mode) = 0;
    virtual Result<void, int> chown(const File& file, uid_t uid, gid_t gid) = 0;  // -1: leave
    virtual Result<Space, int> space(const File& file) = 0;
    virtual Features features() const = 0;
    virtual Result<void, int> set_compressed(const File& file, bool compressed) = 0;
    // Whether the calling thread's identity has all of R_OK, W_OK, X_OK that `mode` names.
    virtual bool may(const File& file, int mode) = 0;

    // --- Security descriptors (MS-DTYP 2.4.6). `stat` is the file's.
    // True if they are kept as they are set, and decide who may do what; false: the kernel decides, by POSIX mode and ACL, and a descriptor
    // is what these look like.
    virtual bool keeps_descriptors() const { return false; }
    // Owner, group and ACLs, all that there are. Never without a DACL of some kind where none is kept.
    virtual Result<void, int> get_descriptor(const File& file, const Stat& stat, security::SecurityDescriptor& out) = 0;
    // Makes `value`, which is complete, the file's; `parts` (bits of security::part) says which parts of it are new. The caller has checked
    // that the user may. EPERM where the kernel does not let him all the same.
    virtual Result<void, int> set_descriptor(const File& file, const Stat& stat, uint32_t parts,
                                             const security::SecurityDescriptor& value) = 0;

    // --- Extended attributes. ERANGE if the value does not fit `out`; an empty `out` asks for the size. ENODATA if it is not there.
    virtual Result<size_t, int> get_xattr(const File& file, const char* name, MutableBytes out) = 0;
    virtual Result<void, int> set_xattr(const File& file, const char* name, Bytes value) = 0;
    virtual Result<void, int> remove_xattr(const File& file, const char* name) = 0;
    virtual Result<size_t, int> list_xattr(const File& file, MutableBytes out) = 0;  // names, each with its NUL
    // Of a name in a directory, without opening it; a symlink is not followed.
    virtual Result<size_t, int> get_xattr_at(const File& parent, const char* leaf, const char* name, MutableBytes out) = 0;
    virtual Result<size_t, int> list_xattr_at(const File& parent, const char* leaf, MutableBytes out) = 0;
    // Whether what is kept under `name` ("user." and all, in any case) is the server's own: DOS attributes, descriptors, streams, wherever
    // options have them kept. Not for clients to see or to set.
    virtual bool owns_xattr(std::string_view name) const = 0;

    // --- Alternate data streams of files and directories. Without a module that keeps them: none, and EOPNOTSUPP.
    virtual bool has_streams() const { return false; }
    // Opens the stream of an open file; names are compared as those of files are, and `name` becomes the stored one. `how.create`: makes
    // it, EEXIST if it is there; ENOENT otherwise if it is not. ENAMETOOLONG for what cannot be stored. Of a stream, stat tells a
    // regular file with the file's permissions and links.
    virtual Result<File, int> open_stream(const File& /*file*/, std::string& /*name*/, const OpenHow& /*how*/) { return EOPNOTSUPP; }
    virtual Result<void, int> remove_stream(const File& /*file*/, const std::string& /*stored*/) { return EOPNOTSUPP; }
    // A stream of the new name is replaced. Files that have the stream open under its former name must be opened again.
    virtual Result<void, int> rename_stream(const File& /*file*/, const std::string& /*stored*/, const std::string& /*new_name*/) {
        return EOPNOTSUPP;
    }
    // Appends the named ones, in the order in which they are kept.
    virtual Result<void, int> list_streams(const File& /*file*/, std::vector<StreamInfo>& /*out*/) { return {}; }

    // --- For modules that keep an account of what clients do: a create has ended with `status`, SUCCESS or why not. Path, FILE_* access
    // mask and disposition are the client's (MS-SMB2 2.2.13).
    virtual void note_create(const std::string& /*path*/, bool /*directory*/, uint32_t /*access*/, uint32_t /*disposition*/,
                             NtStatus /*status*/) {}

    // --- Snapshots (shadow_copy2). With them, open and stat_at know "@GMT-YYYY.MM.DD-hh.mm.ss" (snapshot_token.h) as the first component
    // of a path: what is behind it is the share as it was at that time. What changes anything there fails with EROFS.
    virtual bool has_snapshots() const { return false; }
    // The times of the snapshots of the file or directory at `path`, in the order in which they are to be told.
    virtual Result<void, int> list_snapshots(const std::string& /*path*/, std::vector<int64_t>& /*times*/) { return {}; }

    // --- Data. Short counts only at the end of the file (read) or on a full disk (write).
    virtual Result<size_t, int> pread(const File& file, MutableBytes out, uint64_t offset) = 0;
    // What the page cache has, without waiting: EAGAIN if it would wait, EOPNOTSUPP if this file system cannot tell. May be short.
    virtual Result<size_t, int> pread_cached(const File& file, MutableBytes out, uint64_t offset) = 0;
    // In memory-backed file systems everything is answered.
    virtual bool reads_cached() const = 0;  // false once the file system has said EOPNOTSUPP to pread_cached
    virtual Result<size_t, int> pwrite(const File& file, Bytes data, uint64_t offset) = 0;
    virtual Result<void, int> fsync(const File& file) = 0;
    virtual Result<void, int> truncate(const File& file, uint64_t size) = 0;
    virtual Result<void, int> allocate(const File& file, Allocate how, uint64_t offset, uint64_t length) = 0;

    // Copies up to `length` bytes within the kernel, sharing blocks where the file system can; 0 at the source's end. EXDEV, EINVAL (ranges
    // of one file that overlap), EOPNOTSUPP and their kin: it has to be read and written.
    virtual Result<size_t, int> copy_range(const File& source, uint64_t from, const File& target, uint64_t to, size_t length) = 0;
    // Makes the target's range share the blocks of the source's. EOPNOTSUPP or EXDEV where it cannot be, EINVAL for what is not aligned.
    virtual Result<void, int> clone_range(const File& source, uint64_t from, const File& target, uint64_t to, uint64_t length) = 0;
    // Where the next data, or the next hole, is from `offset` on; the file's end is a hole. ENXIO: there is no more data, or `offset` is at
    // or beyond the end.
    enum class Seek : uint8_t { data, hole };
    virtual Result<uint64_t, int> seek(const File& file, Seek what, uint64_t offset) = 0;
    // Locks the range for this File against other programs, or unlocks it; a former lock of this File there is replaced. Never waits:
    // EAGAIN if somebody else has a lock in the way. `length` 0: to the end of all files. An exclusive lock of a File that cannot be
    // written to is a shared one, and the other way round.
    virtual Result<void, int> lock_range(const File& file, RangeLock lock, uint64_t offset, uint64_t length) = 0;

    // --- Directories: fills `out` with linux_dirent64 records; 0 at the end. DirectoryReader (directory.h) reads them.
    virtual Result<size_t, int> read_directory(const File& directory, MutableBytes out) = 0;
    virtual Result<void, int> seek_directory(const File& directory, int64_t position) = 0;  // 0: start; else a d_off
    // Whether read_directory gives the very names that are in the file system, so that what the kernel tells of a directory's changes
    // (inotify) is true of it. A module that maps, hides or invents names says false.
    virtual bool plain_names() const = 0;
};

// What a module derives from: everything goes to the next one down.
class Module : public Vfs {
 public:
    explicit Module(std::unique_ptr<Vfs> next) : next_(std::move(next)) {}

    const Options& options() const override { return next_->options(); }
    const File& root() const override { return next_->root(); }
    bool read_only() const override { return next_->read_only(); }
    Result<File, int> open(const char* path, const OpenHow& how) override { return next_->open(path, how); }
    Result<File, int> open_below(const File& top, const char* path, const OpenHow& how) override {
        return next_->open_below(top, path, how);
    }
    Result<File, int> open_at(const File& parent, const char* leaf, const OpenHow& how) override {
        return next_->open_at(parent, leaf, how);
    }
    Result<File, int> reopen(const File& file, Access access) override { return next_->reopen(file, access); }
    Result<void, int> handle(const File& file, Buffer& out) override { return next_->handle(file, out); }
    Result<File, int> open_handle(Bytes handle) override { return next_->open_handle(handle); }
    Result<void, int> mkdir(const File& parent, const char* leaf, mode_t mode) override { return next_->mkdir(parent, leaf, mode); }
    Result<void, int> unlink(const File& parent, const char* leaf) override { return next_->unlink(parent, leaf); }
    Result<void, int> rmdir(const File& parent, const char* leaf) override { return next_->rmdir(parent, leaf); }
    Result<void, int> rename(const File& parent, const char* leaf, const File& new_parent, const char* new_leaf, bool replace) override {
        return next_->rename(parent, leaf, new_parent, new_leaf, replace);
    }
    Result<void, int> link(const File& file, const File& new_parent, const char* new_leaf) override {
        return next_->link(file, new_parent, new_leaf);
    }
    Result<std::string, int> read_link(const File& parent, const char* leaf) override { return next_->read_link(parent, leaf); }
    Result<Stat, int> stat(const File& file) override { return next_->stat(file); }
    Result<Stat, int> stat_at(const File& parent, const char* leaf) override { return next_->stat_at(parent, leaf); }
    FileId file_id(const File& file, const Stat& stat) override { return next_->file_id(file, stat); }
    DosAttributes dos_attributes(const File& file, const Stat& stat, std::string_view leaf) override {
        return next_->dos_attributes(file, stat, leaf);
    }
    DosAttributes dos_attributes_at(const File& parent, const char* leaf, const Stat& stat) override {
        return next_->dos_attributes_at(parent, leaf, stat);
    }
    Result<void, int> set_dos_attributes(const File& file, const Stat& stat, const DosAttributes& value) override {
        return next_->set_dos_attributes(file, stat, value);
    }
    Result<void, int> set_times(const File& file, const timespec& access, const timespec& write) override {
        return next_->set_times(file, access, write);
    }
    Result<void, int> chmod(const File& file, mode_t mode) override { return next_->chmod(file, mode); }
    Result<void, int> chown(const File& file, uid_t uid, gid_t gid) override { return next_->chown(file, uid, gid); }
    Result<Space, int> space(const File& file) override { return next_->space(file); }
    Features features() const override { return next_->features(); }
    Result<void, int> set_compressed(const File& file, bool compressed) override { return next_->set_compressed(file, compressed); }
    bool may(const File& file, int mode) override { return next_->may(file, mode); }
    bool keeps_descriptors() const override { return next_->keeps_descriptors(); }
    Result<void, int> get_descriptor(const File& file, const Stat& stat, security::SecurityDescriptor& out) override {
        return next_->get_descriptor(file, stat, out);
    }
    Result<void, int> set_descriptor(const File& file, const Stat& stat, uint32_t parts,
                                     const security::SecurityDescriptor& value) override {
        return next_->set_descriptor(file, stat, parts, value);
    }
    Result<size_t, int> get_xattr(const File& file, const char* name, MutableBytes out) override {
        return next_->get_xattr(file, name, out);
    }
    Result<void, int> set_xattr(const File& file, const char* name, Bytes value) override { return next_->set_xattr(file, name, value); }
    Result<void, int> remove_xattr(const File& file, const char* name) override { return next_->remove_xattr(file, name); }
    Result<size_t, int> list_xattr(const File& file, MutableBytes out) override { return next_->list_xattr(file, out); }
    Result<size_t, int> get_xattr_at(const File& parent, const char* leaf, const char* name, MutableBytes out) override {
        return next_->get_xattr_at(parent, leaf, name, out);
    }
    Result<size_t, int> list_xattr_at(const File& parent, const char* leaf, MutableBytes out) override {
        return next_->list_xattr_at(parent, leaf, out);
    }
    bool owns_xattr(std::string_view name) const override { return next_->owns_xattr(name); }
    bool has_streams() const override { return next_->has_streams(); }
    Result<File, int> open_stream(const File& file, std::string& name, const OpenHow& how) override {
        return next_->open_stream(file, name, how);
    }
    Result<void, int> remove_stream(const File& file, const std::string& stored) override { return next_->remove_stream(file, stored); }
    Result<void, int> rename_stream(const File& file, const std::string& stored, const std::string& new_name) override {
        return next_->rename_stream(file, stored, new_name);
    }
    Result<void, int> list_streams(const File& file, std::vector<StreamInfo>& out) override { return next_->list_streams(file, out); }
    void note_create(const std::string& path, bool directory, uint32_t access, uint32_t disposition, NtStatus status) override {
        next_->note_create(path, directory, access, disposition, status);
    }
    bool has_snapshots() const override { return next_->has_snapshots(); }
    Result<void, int> list_snapshots(const std::string& path, std::vector<int64_t>& times) override {
        return next_->list_snapshots(path, times);
    }
    Result<size_t, int> pread(const File& file, MutableBytes out, uint64_t offset) override { return next_->pread(file, out, offset); }
    Result<size_t, int> pread_cached(const File& file, MutableBytes out, uint64_t offset) override {
        return next_->pread_cached(file, out, offset);
    }
    bool reads_cached() const override { return next_->reads_cached(); }
    Result<size_t, int> pwrite(const File& file, Bytes data, uint64_t offset) override { return next_->pwrite(file, data, offset); }
    Result<void, int> fsync(const File& file) override { return next_->fsync(file); }
    Result<void, int> truncate(const File& file, uint64_t size) override { return next_->truncate(file, size); }
    Result<void, int> allocate(const File& file, Allocate how, uint64_t offset, uint64_t length) override {
        return next_->allocate(file, how, offset, length);
    }
    Result<size_t, int> copy_range(const File& source, uint64_t from, const File& target, uint64_t to, size_t length) override {
        return next_->copy_range(source, from, target, to, length);
    }
    Result<void, int> clone_range(const File& source, uint64_t from, const File& target, uint64_t to, uint64_t length) override {
        return next_->clone_range(source, from, target, to, length);
    }
    Result<uint64_t, int> seek(const File& file, Seek what, uint64_t offset) override { return next_->seek(file, what, offset); }
    Result<void, int> lock_range(const File& file, RangeLock lock, uint64_t offset, uint64_t length) override {
        return next_->lock_range(file, lock, offset, length);
    }
    Result<size_t, int> read_directory(const File& directory, MutableBytes out) override { return next_->read_directory(directory, out); }
    Result<void, int> seek_directory(const File& directory, int64_t position) override {
        return next_->seek_directory(directory, position);
    }
    bool plain_names() const override { return next_->plain_names(); }

 protected:
    Vfs& next() { return *next_; }
    const Vfs& next() const { return *next_; }

 private:
    std::unique_ptr<Vfs> next_;
};

using ModuleFactory = std::unique_ptr<Vfs> (*)(std::unique_ptr<Vfs> next);

// Makes a module known by the name that `vfs objects` uses. Main thread, before the first connect_share.
void register_module(std::string name, ModuleFactory factory);

// Opens the share's root and builds its stack. The error's text is one line for the log: a path that is not there, a module that is
// not known ("unknown module 'x' in vfs objects"); the share is then unavailable. The root is opened under the caller's identity.
// Sets the process's umask to 0: the modes of new files come from smb.conf alone.
Result<std::unique_ptr<Vfs>> connect_share(Options options);

// The modules that `vfs objects` names and that are not known, for testparm and for loading.
std::vector<std::string> unknown_modules(const std::vector<std::string>& names);

}  // namespace Atoll::vfs
