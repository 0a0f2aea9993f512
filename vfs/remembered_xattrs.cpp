#include "vfs/remembered_xattrs.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <time.h>

#include <algorithm>
#include <cstdio>

#include "base/loop/identity.h"

namespace Atoll::vfs {

namespace {

constexpr long xfs_magic = 0x58465342;  // linux/magic.h has it since 6.12

bool has_linux(int major, int minor) {
    utsname system{};
    int its_major = 0, its_minor = 0;
    if (::uname(&system) != 0 || std::sscanf(system.release, "%d.%d", &its_major, &its_minor) != 2) return false;
    return its_major > major || (its_major == major && its_minor >= minor);
}

// Those that set the change time with every change of an attribute.
bool tells_of_xattrs(long type) {
    if (type == TMPFS_MAGIC) return has_linux(6, 6);
    return type == EXT4_SUPER_MAGIC || type == xfs_magic || type == BTRFS_SUPER_MAGIC;
}

}  // namespace

bool RememberedXattrs::knows(int root) {
    struct statfs kind {};
    return ::fstatfs(root, &kind) == 0 && tells_of_xattrs(static_cast<long>(kind.f_type));
}

RememberedXattrs::RememberedXattrs(int root) {
    struct stat info {};
    if (!knows(root) || ::fstat(root, &info) != 0) return;
    trusted_ = true;
    device_ = static_cast<uint64_t>(major(info.st_dev)) << 32 | minor(info.st_dev);
}

bool RememberedXattrs::is_of(const Entry& entry, const Stat& stat) {
    const loop::Identity& who = loop::current_identity();
    return entry.inode == stat.inode && entry.changed.tv_sec == stat.change_time.tv_sec &&
           entry.changed.tv_nsec == stat.change_time.tv_nsec && entry.uid == who.uid && entry.gid == who.gid;
}

std::optional<Bytes> RememberedXattrs::find(const Stat& stat) {
    if (entries_.empty() || !is_trusted(stat)) return std::nullopt;
    const auto first = entries_.begin() + static_cast<ptrdiff_t>(set_of(stat));
    const auto found = std::find_if(first, first + ways, [&](const Entry& entry) { return is_of(entry, stat); });
    if (found == first + ways) return std::nullopt;
    hits_++;
    return found->value.bytes();
}

void RememberedXattrs::remember(const Stat& stat, Bytes value) {
    if (!is_trusted(stat) || value.size() > largest || stat.inode == 0) return;
    timespec now{};
    if (::clock_gettime(CLOCK_REALTIME_COARSE, &now) != 0) return;
    const int64_t age = (int64_t{now.tv_sec} - stat.change_time.tv_sec) * 1'000'000'000 + now.tv_nsec - stat.change_time.tv_nsec;
    if (age < ticks) return;
    if (entries_.empty()) {
        if (++misses_ < first_misses) return;
        entries_.resize(sets * ways);
    }
    const auto first = entries_.begin() + static_cast<ptrdiff_t>(set_of(stat));
    // The place of what the file had before, else one in turn.
    auto place = std::find_if(first, first + ways, [&](const Entry& entry) { return entry.inode == stat.inode || entry.inode == 0; });
    if (place == first + ways) place = first + next_way_++ % ways;
    const loop::Identity& who = loop::current_identity();
    place->inode = stat.inode;
    place->changed = stat.change_time;
    place->uid = who.uid;
    place->gid = who.gid;
    place->value.assign(value);
}

}  // namespace Atoll::vfs
