#include "vfs/volume_id.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <fstream>
#include <sstream>

namespace Atoll::vfs {

namespace {

// FNV-1a: stable across nodes and releases, since records and clients keep what comes of it.
uint64_t hash(std::string_view text, uint64_t h = 0xcbf29ce484222325) {
    for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return h;
}

uint64_t host_hash() {
    std::array<char, 256> name{};
    ::gethostname(name.data(), name.size() - 1);
    return hash(name.data());
}

uint64_t fsid_of(int fd) {
    struct statfs info {};
    if (::fstatfs(fd, &info) != 0) return 0;
    uint64_t id = 0;
    static_assert(sizeof info.f_fsid == sizeof id);
    std::memcpy(&id, &info.f_fsid, sizeof id);
    return id;
}

// FS_IOC_GETFSUUID, Linux 6.9: older kernels and file systems without a UUID refuse it.
uint64_t uuid_hash(int fd) {
    struct Uuid {
        uint8_t length;
        std::array<uint8_t, 16> bytes;
    } uuid{};
    const int readable = ::openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (readable < 0) return 0;
    const int result = ::ioctl(readable, _IOR(0x15, 0, Uuid), &uuid);
    ::close(readable);
    if (result != 0 || uuid.length == 0 || uuid.length > uuid.bytes.size()) return 0;
    return hash({reinterpret_cast<const char*>(uuid.bytes.data()), uuid.length});
}

uint64_t source_hash(int fd) {
    const std::string source = mount_source(fd);
    return source.empty() ? 0 : hash(source);
}

}  // namespace

std::optional<IdAlgorithm> parse_id_algorithm(std::string_view name) {
    if (name.empty() || name == "next_module") return IdAlgorithm::by_itself;
    if (name == "fsname") return IdAlgorithm::fsname;
    if (name == "fsid") return IdAlgorithm::fsid;
    if (name == "fsname_nodirs") return IdAlgorithm::fsname_nodirs;
    if (name == "fsname_norootdir") return IdAlgorithm::fsname_norootdir;
    if (name == "fsname_norootdir_ext") return IdAlgorithm::fsname_norootdir_ext;
    if (name == "hostname") return IdAlgorithm::hostname;
    return std::nullopt;
}

std::string mount_source(int fd) {
    struct statx info {};
    if (::statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &info) != 0 || (info.stx_mask & STATX_MNT_ID) == 0) return {};
    std::ifstream mounts("/proc/self/mountinfo");
    for (std::string line; std::getline(mounts, line);) {
        uint64_t id = 0;
        std::from_chars(line.data(), line.data() + line.size(), id);
        const size_t dash = line.find(" - ");  // proc(5): optional fields end with " - ", then type, source, options
        if (id != info.stx_mnt_id || dash == std::string::npos) continue;
        std::istringstream rest(line.substr(dash + 3));
        std::string type, source;
        rest >> type >> source;
        return source;
    }
    return {};
}

uint64_t VolumeIds::volume_of(int fd, uint64_t device) {
    for (const Known& k : known_) {
        if (k.device == device) return k.volume;
    }
    uint64_t volume = 0;
    if (algorithm_ == IdAlgorithm::by_itself || algorithm_ == IdAlgorithm::fsid) volume = fsid_of(fd);
    if (volume == 0 && algorithm_ == IdAlgorithm::by_itself) volume = uuid_hash(fd);
    if (volume == 0 && algorithm_ != IdAlgorithm::fsid) volume = source_hash(fd);
    known_.push_back({device, volume});
    return volume;
}

Result<void, int> VolumeIds::set_root(int fd, const Stat& stat) {
    root_device_ = stat.device;
    root_inode_ = stat.inode;
    if (volume_of(fd, stat.device) == 0) return ENODEV;
    return {};
}

// vfs_fileid(8), the "nolock" algorithms: ids that differ between nodes, or processes, where the administrator wants it so.
uint64_t VolumeIds::without_lock_coherency(uint64_t volume, const Stat& stat) const {
    const bool is_root = stat.device == root_device_ && stat.inode == root_inode_;
    switch (algorithm_) {
        case IdAlgorithm::hostname: return volume ^ host_hash();
        case IdAlgorithm::fsname_nodirs: return stat.is_directory() ? volume ^ host_hash() : volume;
        case IdAlgorithm::fsname_norootdir: return is_root ? volume ^ host_hash() : volume;
        case IdAlgorithm::fsname_norootdir_ext: return is_root ? volume ^ host_hash() ^ static_cast<uint64_t>(::getpid()) << 32 : volume;
        default: return volume;
    }
}

FileId VolumeIds::file_id(int fd, const Stat& stat) {
    FileId id;
    id.volume = without_lock_coherency(volume_of(fd, stat.device), stat);
    id.inode = stat.inode;
    if (stat.has_birth_time)
        id.generation = static_cast<uint64_t>(stat.birth_time.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(stat.birth_time.tv_nsec);
    return id;
}

}  // namespace Atoll::vfs
