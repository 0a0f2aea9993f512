// The names of recently used directories in memory, so that a name that is not there costs no scan: a file is created in the same time
// in an empty directory and beside a million others.
//
// Why an answer may be trusted. Each directory has an inotify watch, set before the scan that fills its index. The kernel queues an event
// within the system call that makes, removes or renames an entry. find() first reads all that is queued, so whatever had returned
// before find() was called is in the index; a change that is still under way may be seen or not, as with a scan. Events of changes during
// the filling scan are applied after it, in their order, and adding what is there or removing what is not does nothing: so the index ends
// as the directory is. RENAME_EXCHANGE is told as two moves, of which the second seems to take away what the first has brought, and holds
// the directory's lock meanwhile: a name that leaves right after it came stays in the index, to be withdrawn by whoever does not find
// it. If events were lost (IN_Q_OVERFLOW) all indexes are dropped. Entries that no event tells of: those that RENAME_WHITEOUT leaves,
// and what changes a mounted file system behind the kernel's directory operations.
//
// So only file systems whose every change goes through this kernel's directory operations are indexed (ext2 to ext4, xfs, btrfs, f2fs,
// tmpfs, ramfs): not network and cluster file systems, FUSE, overlayfs, nor zfs, where a rollback changes directories silently.
//
// What it takes of the machine: one inotify instance for a process that needs it (fs.inotify.max_user_instances, of the user that it
// acts for) and up to limits::max_indexed_directories watches (max_user_watches). Where it cannot have them, directories are scanned.
//
// Of the process's main thread only.
#pragma once

#include <memory>

#include "base/limits.h"
#include "vfs/folded_names.h"
#include "vfs/vfs.h"

struct inotify_event;

namespace Atoll::vfs {

class NameIndex {
 public:
    struct Bounds {
        size_t directories = limits::max_indexed_directories;
        size_t memory = limits::max_name_index;
    };
    enum class Answer : uint8_t { unknown, absent, present };

    NameIndex() : NameIndex(Bounds{}) {}
    explicit NameIndex(Bounds bounds);
    static NameIndex& of_process();

    // Whether the open directory of which `stat` is true has `name`, in any case. The stored name in `stored` if present: to be tried, and
    // withdrawn if it is not there. With `mangling_char`, by its made 8.3 name as well. unknown: it is not
    // indexed. The caller has checked that the user may list the directory.
    Answer find(const Stat& stat, std::string_view name, const char* mangling_char, std::string& stored);

    // Before a scan that is made because find() did not know: true if the scan is to fill the index, by add() of every name (no "." and
    // "..") and end(). That is so from the second one of a directory on: most are looked into only once.
    bool begin(const File& directory, const Stat& stat);
    void add(std::string_view name);
    void end(bool complete);

    // `stored`, as find() gave it, is not there.
    void withdraw(const Stat& stat, std::string_view stored);

    [[nodiscard]] size_t directories() const { return directories_.size(); }
    [[nodiscard]] size_t memory() const { return memory_; }
    [[nodiscard]] uint64_t answers() const { return answers_; }  // lookups that needed no scan

 private:
    struct Key {
        uint64_t device = 0, inode = 0;
        int64_t born_seconds = 0, born_nanoseconds = 0;
        bool operator==(const Key&) const = default;
    };
    struct Directory {
        Directory(const Key& k, int w, uint64_t seed) : key(k), watch(w), names(seed) {}
        Key key;
        int watch;
        uint64_t used = 0;
        FoldedNames names;
        std::string came;   // the name of the last move, if it was one into the directory
        size_t memory = 0;  // as it is counted in memory_
    };
    struct Missed {
        Key key;
        bool too_large = false;
    };
    using Place = std::vector<std::unique_ptr<Directory>>::iterator;

    static Key key_of(const Stat& stat);
    Place by_key(const Key& key);
    bool missed_before(const Key& key);
    bool ready();
    int watch(int fd);
    void unwatch(int watch);
    void drain();
    void apply(const inotify_event& event, std::string_view name);
    void count(Directory& directory);
    void make_room();
    void drop(Place place);
    void drop_all();

    Bounds bounds_;
    uint64_t seed_;
    UniqueFd inotify_;
    bool unavailable_ = false, said_full_ = false;
    std::vector<std::unique_ptr<Directory>> directories_;
    std::unique_ptr<Directory> filling_;
    std::vector<Missed> missed_;  // a ring
    size_t next_missed_ = 0;
    size_t memory_ = 0;
    uint64_t uses_ = 0, answers_ = 0;
};

}  // namespace Atoll::vfs
