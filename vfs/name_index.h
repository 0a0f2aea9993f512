// The names of recently used directories in memory, so that a name that is not there costs no scan: a file is created in the same time
// in an empty directory and beside a million others. The memory is one for all processes that are forked after of_process() was first
// called, and so is the inotify instance: what one process has scanned spares the others the scan.
//
// Why an answer may be trusted. Each directory has an inotify watch, set before the scan that fills its index. The kernel queues an event
// within the system call that makes, removes or renames an entry. find() first reads all that is queued, under the lock, so whatever had
// returned before find() was called is in the index, whoever reads it; a change that is still under way may be seen or not, as with a scan.
// Events of changes during the filling scan are applied as they come, and it only adds names: a name that went meanwhile may stay, to be
// withdrawn by whoever does not find it, but none is missing. RENAME_EXCHANGE is told as two moves, of which the second seems to take away
// what the first has brought, and holds the directory's lock meanwhile: a name that leaves right after it came stays in the index too. If
// events were lost (IN_Q_OVERFLOW) all indexes are dropped. Entries that no event tells of: those that RENAME_WHITEOUT leaves, and what
// changes a mounted file system behind the kernel's directory operations.
//
// So only file systems whose every change goes through this kernel's directory operations are indexed (ext2 to ext4, xfs, btrfs, f2fs,
// tmpfs, ramfs): not network and cluster file systems, FUSE, overlayfs, nor zfs, where a rollback changes directories silently.
//
// A process that dies at it, with events that it has read and not applied, leaves the lock to the next, who drops all. One that is stopped
// with the lock costs the others a scan each, not their service (limits::name_index_patience).
//
// What it takes of the machine: one inotify instance (fs.inotify.max_user_instances) and up to limits::max_shared_directories watches
// (max_user_watches). Where it cannot have them, directories are scanned.
//
// In each process of the main thread only.
#pragma once

#include <pthread.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "vfs/limits.h"
#include "vfs/shared_names.h"
#include "vfs/vfs.h"

struct inotify_event;

namespace Atoll::vfs {

class NameIndex {
 public:
    using Bounds = SharedNames::Bounds;
    enum class Answer : uint8_t { unknown, absent, present };

    NameIndex() : NameIndex(Bounds{limits::max_shared_directories, limits::shared_name_slots, limits::max_shared_name_bytes}) {}
    explicit NameIndex(Bounds bounds);
    ~NameIndex();
    NameIndex(const NameIndex&) = delete;
    NameIndex& operator=(const NameIndex&) = delete;
    static NameIndex& of_process();
    // For a process that looks up no names: it can do the others' memory no harm. From then on nothing is indexed here.
    void give_up();

    // Whether the open directory of which `stat` is true has `name`, in any case. The stored name in `stored` if present: to be tried, and
    // withdrawn if it is not there. With `mangling_char`, by its made 8.3 name as well. unknown: it is not
    // indexed. The caller has checked that the user may list the directory.
    Answer find(const Stat& stat, std::string_view name, const char* mangling_char, std::string& stored);

    // Before a scan that is made because find() did not know: true if the scan is to fill the index, by add() of every name (no "." and
    // "..") and end(). That is so from the second one of a directory on: most are looked into only once.
    bool begin(const File& directory, const Stat& stat);
    void add(std::string_view name);
    void end(bool complete);

    // `stored`, as the last find() gave it, is not there. If it may have come since, it stays.
    void withdraw(const Stat& stat, std::string_view stored);

    [[nodiscard]] size_t directories();                          // that are indexed
    [[nodiscard]] size_t memory();                               // bytes of their names, and of those to be swept
    [[nodiscard]] uint64_t answers() const { return answers_; }  // lookups of this process that needed no scan
    [[nodiscard]] uint64_t waits() const { return waits_; }      // for another process that was at the index

    // While it lives, the process has the lock. For tests, too.
    class Hold {
     public:
        explicit Hold(NameIndex& index) : index_(index), held_(index.lock()) {}
        ~Hold() {
            if (held_) index_.unlock();
        }
        Hold(const Hold&) = delete;
        Hold& operator=(const Hold&) = delete;
        explicit operator bool() const { return held_; }

     private:
        NameIndex& index_;
        bool held_;
    };
    // All of the memory that processes share but its lock. For tests, which damage it.
    [[nodiscard]] MutableBytes shared_memory();

 private:
    struct Shared;
    struct Missed {
        SharedNames::Key key;
        bool too_large = false;
    };

    static SharedNames::Key key_of(const Stat& stat);
    bool lock();
    void unlock();
    bool missed_before(const SharedNames::Key& key);
    bool claim(const SharedNames::Key& key, int fd);
    void hand_over();
    int watch(int fd);
    void unwatch(int watch);
    void drain();
    void apply(const inotify_event& event, std::string_view name);
    bool insert(uint32_t id, std::string_view name);
    void drop(SharedNames::Directory& directory);
    void drop_all();

    Bounds bounds_;
    Shared* shared_ = nullptr;  // null: there is none
    std::unique_ptr<SharedNames> names_;
    UniqueFd inotify_;
    bool said_full_ = false;
    std::chrono::steady_clock::time_point not_before_{};  // somebody held the lock for too long: until then it is only tried
    uint32_t filling_ = 0;                                // directory's id; 0: no scan is under way, or it has been given up
    bool too_large_ = false;
    SharedNames::Key filling_key_;
    std::string batch_;           // names of the scan that are not handed over: each its length in one byte, its bytes
    std::vector<Missed> missed_;  // a ring
    size_t next_missed_ = 0;
    uint64_t answers_ = 0, waits_ = 0;
    uint32_t found_in_ = 0;  // directory's id, and its arrivals, at the last find()
    uint64_t found_arrivals_ = 0;
};

}  // namespace Atoll::vfs
