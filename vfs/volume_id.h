// The volume id of a FileId: the same on every node that mounts a file system, whatever its st_dev there (docs/design.md, "State").
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vfs/vfs.h"

namespace Atoll::vfs {

// Named as in vfs_fileid(8). by_itself and next_module: f_fsid, else the file system's UUID, else the mount's source.
enum class IdAlgorithm { by_itself, fsname, fsid, fsname_nodirs, fsname_norootdir, fsname_norootdir_ext, hostname };

std::optional<IdAlgorithm> parse_id_algorithm(std::string_view name);

// The ids of the file systems below one share. Each is found out once, by one file on it.
class VolumeIds {
 public:
    explicit VolumeIds(IdAlgorithm algorithm) : algorithm_(algorithm) {}
    // ENODEV if it cannot be told.
    Result<void, int> set_root(int fd, const Stat& stat);
    FileId file_id(int fd, const Stat& stat);

 private:
    struct Known {
        uint64_t device;
        uint64_t volume;
    };
    uint64_t volume_of(int fd, uint64_t device);
    uint64_t without_lock_coherency(uint64_t volume, const Stat& stat) const;

    IdAlgorithm algorithm_;
    std::vector<Known> known_;
    uint64_t root_device_ = 0, root_inode_ = 0;
};

// What mounted the file system that `fd` is on, from /proc/self/mountinfo: "server:/volume", "/dev/sda1". Empty if not found.
std::string mount_source(int fd);

}  // namespace Atoll::vfs
