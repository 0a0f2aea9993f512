// The POSIX backend: Linux system calls by descriptor.
#pragma once

#include <atomic>

#include "vfs/proc_path.h"
#include "vfs/remembered_xattrs.h"
#include "vfs/vfs.h"
#include "vfs/volume_id.h"

namespace Atoll::vfs {

class PosixVfs : public Vfs {
 public:
    static Result<std::unique_ptr<PosixVfs>> connect(Options options);

    const Options& options() const override { return options_; }
    const File& root() const override { return root_; }
    Result<File, int> open(const char* path, const OpenHow& how) override;
    Result<File, int> open_below(const File& top, const char* path, const OpenHow& how) override;
    Result<File, int> open_at(const File& parent, const char* leaf, const OpenHow& how) override;
    Result<File, int> reopen(const File& file, Access access) override;
    Result<void, int> handle(const File& file, Buffer& out) override;
    Result<File, int> open_handle(Bytes handle) override;
    Result<void, int> mkdir(const File& parent, const char* leaf, mode_t mode) override;
    Result<void, int> unlink(const File& parent, const char* leaf) override;
    Result<void, int> rmdir(const File& parent, const char* leaf) override;
    Result<void, int> rename(const File& parent, const char* leaf, const File& new_parent, const char* new_leaf, bool replace) override;
    Result<void, int> link(const File& file, const File& new_parent, const char* new_leaf) override;
    Result<std::string, int> read_link(const File& parent, const char* leaf) override;
    Result<Stat, int> stat(const File& file) override;
    Result<Stat, int> stat_at(const File& parent, const char* leaf) override;
    FileId file_id(const File& file, const Stat& stat) override;
    DosAttributes dos_attributes(const File& file, const Stat& stat, std::string_view leaf) override;
    DosAttributes dos_attributes_at(const File& parent, const char* leaf, const Stat& stat) override;
    Result<void, int> set_dos_attributes(const File& file, const Stat& stat, const DosAttributes& value) override;
    Result<void, int> set_times(const File& file, const timespec& access, const timespec& write) override;
    Result<void, int> chmod(const File& file, mode_t mode) override;
    Result<void, int> chown(const File& file, uid_t uid, gid_t gid) override;
    Result<Space, int> space(const File& file) override;
    Features features() const override { return features_; }
    Result<void, int> set_compressed(const File& file, bool compressed) override;
    bool may(const File& file, int mode) override;
    Result<void, int> get_descriptor(const File& file, const Stat& stat, security::SecurityDescriptor& out) override;
    Result<void, int> set_descriptor(const File& file, const Stat& stat, uint32_t parts,
                                     const security::SecurityDescriptor& value) override;
    Result<size_t, int> get_xattr(const File& file, const char* name, MutableBytes out) override;
    Result<void, int> set_xattr(const File& file, const char* name, Bytes value) override;
    Result<void, int> remove_xattr(const File& file, const char* name) override;
    Result<size_t, int> list_xattr(const File& file, MutableBytes out) override;
    Result<size_t, int> get_xattr_at(const File& parent, const char* leaf, const char* name, MutableBytes out) override;
    Result<size_t, int> list_xattr_at(const File& parent, const char* leaf, MutableBytes out) override;
    bool owns_xattr(std::string_view name) const override;
    Result<size_t, int> pread(const File& file, MutableBytes out, uint64_t offset) override;
    Result<size_t, int> pread_cached(const File& file, MutableBytes out, uint64_t offset) override;
    bool reads_cached() const override { return reads_cached_.load(std::memory_order_relaxed); }
    Result<size_t, int> pwrite(const File& file, Bytes data, uint64_t offset) override;
    Result<void, int> fsync(const File& file) override;
    Result<void, int> truncate(const File& file, uint64_t size) override;
    Result<size_t, int> copy_range(const File& source, uint64_t from, const File& target, uint64_t to, size_t length) override;
    Result<void, int> clone_range(const File& source, uint64_t from, const File& target, uint64_t to, uint64_t length) override;
    Result<uint64_t, int> seek(const File& file, Seek what, uint64_t offset) override;
    Result<void, int> lock_range(const File& file, RangeLock lock, uint64_t offset, uint64_t length) override;
    Result<void, int> allocate(const File& file, Allocate how, uint64_t offset, uint64_t length) override;
    Result<size_t, int> read_directory(const File& directory, MutableBytes out) override;
    Result<void, int> seek_directory(const File& directory, int64_t position) override;
    bool plain_names() const override { return true; }

 private:
    PosixVfs(Options options, IdAlgorithm algorithm) : options_(std::move(options)), volumes_(algorithm) {}
    DosAttributes attributes_from(Bytes stored, const Stat& stat, std::string_view leaf) const;

    Options options_;
    std::string real_path_;  // of the root, without symlinks
    File root_;
    VolumeIds volumes_;
    Features features_;
    bool in_memory_ = false;  // the root is on tmpfs or ramfs, whose reads wait for no disk
    std::atomic<bool> reads_cached_{true};
    std::optional<RememberedXattrs> remembered_;  // DOS attributes
    Buffer encoded_;                              // scratch of set_dos_attributes
};

}  // namespace Atoll::vfs
