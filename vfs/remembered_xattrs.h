// One extended attribute of the files that were looked at last, for as long as a file's change time says that it is what it was.
//
// Setting or removing an attribute sets the change time (ctime), and whoever has just had the file's Stat need not read the attribute
// again: on kernel file systems of this machine, whose clock is the one that is compared with. A change time within a few ticks of the
// clock is not trusted, for the next change might get the same (before Linux 6.13 the clock of files has 4 to 10 ms). Other file systems,
// and other ones mounted below the share, are not remembered. What the kernel refuses to one user is not remembered, nor what it tells one
// told to another. Main thread only.
#pragma once

#include <sys/types.h>

#include <optional>
#include <vector>

#include "base/buffer.h"
#include "vfs/vfs.h"

namespace Atoll::vfs {

class RememberedXattrs {
 public:
    // Of the file system that `root` is on.
    explicit RememberedXattrs(int root);
    // Whether that file system is one whose change times say enough.
    static bool knows(int root);

    // Empty: there is no such attribute. nullopt: nothing is known. Valid until the next call.
    std::optional<Bytes> find(const Stat& stat);
    // `value` has been read after `stat`; empty: there is none.
    void remember(const Stat& stat, Bytes value);

    [[nodiscard]] uint64_t hits() const { return hits_; }

 private:
    struct Entry {
        uint64_t inode = 0;
        timespec changed{};
        uid_t uid = 0;
        gid_t gid = 0;
        Buffer value;
    };
    static constexpr size_t ways = 4, sets = 512;
    static constexpr size_t largest = 1024;       // bytes of a value
    static constexpr unsigned first_misses = 32;  // whoever opens little gets no table
    static constexpr int64_t ticks = 50'000'000;  // ns

    [[nodiscard]] bool is_trusted(const Stat& stat) const { return trusted_ && stat.device == device_; }
    static size_t set_of(const Stat& stat) { return (stat.inode * 0x9E3779B97F4A7C15U >> 32) % sets * ways; }
    static bool is_of(const Entry& entry, const Stat& stat);

    bool trusted_ = false;
    uint64_t device_ = 0;
    unsigned misses_ = 0, next_way_ = 0;
    uint64_t hits_ = 0;
    std::vector<Entry> entries_;
};

}  // namespace Atoll::vfs
