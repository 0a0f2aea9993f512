#include "vfs/name_index.h"

#include <linux/magic.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

#include "base/assert.h"
#include "base/log.h"
#include "base/random.h"
#include "vfs/posix.h"
#include "vfs/short_name.h"

namespace Atoll::vfs {

namespace {

// A directory that is moved keeps its names: IN_MOVE_SELF is nothing to us.
constexpr uint32_t watched = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_ONLYDIR;
constexpr uint32_t ended = IN_DELETE_SELF | IN_UNMOUNT | IN_IGNORED;
constexpr size_t read_size = 16 * 1024;
constexpr size_t largest_event = sizeof(inotify_event) + NAME_MAX + 1;
constexpr uint32_t xfs_magic = 0x58465342;  // not in <linux/magic.h> of every release

// Every change of a directory there is one by this kernel, and inotify tells of it.
bool tells_all(int fd) {
    struct statfs info {};
    if (::fstatfs(fd, &info) != 0) return false;
    switch (static_cast<uint32_t>(info.f_type)) {
        case EXT4_SUPER_MAGIC:  // ext2's and ext3's as well
        case xfs_magic:
        case BTRFS_SUPER_MAGIC:
        case F2FS_SUPER_MAGIC:
        case TMPFS_MAGIC:
        case RAMFS_MAGIC: return true;
        default: return false;
    }
}

}  // namespace

NameIndex::NameIndex(Bounds bounds) : bounds_(bounds), seed_(random_u64()) { ATOLL_ASSERT(bounds_.directories > 0); }

NameIndex& NameIndex::of_process() {
    static NameIndex index;
    return index;
}

NameIndex::Key NameIndex::key_of(const Stat& stat) { return {stat.device, stat.inode, stat.birth_time.tv_sec, stat.birth_time.tv_nsec}; }

NameIndex::Place NameIndex::by_key(const Key& key) {
    return std::find_if(directories_.begin(), directories_.end(), [&](const auto& d) { return d->key == key; });
}

NameIndex::Answer NameIndex::find(const Stat& stat, std::string_view name, const char* mangling_char, std::string& stored) {
    const Key key = key_of(stat);
    if (by_key(key) == directories_.end()) return Answer::unknown;
    drain();
    const auto place = by_key(key);
    if (place == directories_.end()) return Answer::unknown;
    Directory& directory = **place;
    directory.used = ++uses_;
    answers_++;
    if (directory.names.find(name, stored)) return Answer::present;
    if (mangling_char == nullptr || !may_be_made(name, *mangling_char)) return Answer::absent;
    const bool found = directory.names.find_short(name, *mangling_char, stored);
    count(directory);
    make_room();
    return found ? Answer::present : Answer::absent;
}

// Reads all events that are queued now. A read that returns with room for another event in its buffer has met the end of the queue.
void NameIndex::drain() {
    alignas(inotify_event) std::array<char, read_size> buffer;
    for (size_t reads = 0; reads < limits::max_index_drain; reads++) {
        const ssize_t n = ::read(inotify_.get(), buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) break;
        const auto size = static_cast<size_t>(n);
        for (size_t at = 0; at + sizeof(inotify_event) <= size;) {
            inotify_event event{};
            std::memcpy(&event, buffer.data() + at, sizeof event);
            at += sizeof event;
            const size_t length = std::min<size_t>(event.len, size - at);
            apply(event, {buffer.data() + at, ::strnlen(buffer.data() + at, length)});
            at += length;
        }
        if (size + largest_event <= buffer.size() || directories_.empty()) return;
    }
    drop_all();
}

void NameIndex::apply(const inotify_event& event, std::string_view name) {
    if ((event.mask & IN_Q_OVERFLOW) != 0) return drop_all();
    const auto place = std::find_if(directories_.begin(), directories_.end(), [&](const auto& d) { return d->watch == event.wd; });
    if (place == directories_.end()) return;  // of one that was dropped
    if ((event.mask & ended) != 0 || name.empty()) return drop(place);
    Directory& directory = **place;
    const bool exchanged = (event.mask & IN_MOVED_FROM) != 0 && directory.came == name;
    if ((event.mask & (IN_CREATE | IN_MOVED_TO)) != 0) {
        directory.names.insert(name);
    } else if (!exchanged) {
        directory.names.erase(name);
    }
    if ((event.mask & IN_MOVED_TO) != 0) directory.came.assign(name);
    if ((event.mask & IN_MOVED_FROM) != 0) directory.came.clear();
    count(directory);
    make_room();
}

void NameIndex::count(Directory& directory) {
    memory_ -= directory.memory;
    directory.memory = directory.names.memory();
    memory_ += directory.memory;
}

// Drops those unused longest until the bounds are kept.
void NameIndex::make_room() {
    while (!directories_.empty() && (memory_ > bounds_.memory || directories_.size() > bounds_.directories)) {
        const auto oldest = [](const auto& a, const auto& b) { return a->used < b->used; };
        drop(std::min_element(directories_.begin(), directories_.end(), oldest));
    }
}

bool NameIndex::missed_before(const Key& key) {
    const auto there = std::find_if(missed_.begin(), missed_.end(), [&](const Missed& m) { return m.key == key; });
    if (there != missed_.end()) return !there->too_large;
    if (missed_.size() < bounds_.directories) {
        missed_.push_back({key, false});
    } else {
        missed_[next_missed_++ % missed_.size()] = {key, false};
    }
    return false;
}

bool NameIndex::ready() {
    if (inotify_.valid()) return true;
    if (unavailable_) return false;
    inotify_.reset(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (inotify_.valid()) return true;
    unavailable_ = true;
    log_warning("vfs: no inotify instance (errno {}): names that are not there cost a scan; see fs.inotify.max_user_instances", errno);
    return false;
}

// -1 if there is no watch to be had.
int NameIndex::watch(int fd) {
    const int watch = ::inotify_add_watch(inotify_.get(), ProcPath(fd).text, watched);
    if (watch >= 0) return watch;
    if (errno == ENOSPC && !said_full_) {
        said_full_ = true;
        log_warning("vfs: no more inotify watches: names that are not there cost a scan; see fs.inotify.max_user_watches");
    }
    return -1;
}

void NameIndex::unwatch(int watch) {
    if (inotify_.valid()) (void)::inotify_rm_watch(inotify_.get(), watch);  // EINVAL: the directory has gone, and its watch with it
}

bool NameIndex::begin(const File& directory, const Stat& stat) {
    ATOLL_ASSERT(!filling_);
    const Key key = key_of(stat);
    if (!missed_before(key) || !tells_all(directory.fd.get())) return false;
    if (!directories_.empty()) drain();  // those that are gone make room
    if (!ready()) return false;
    if (const auto former = by_key(key); former != directories_.end()) drop(former);
    const int number = watch(directory.fd.get());
    if (number < 0) return false;
    const auto same = std::find_if(directories_.begin(), directories_.end(), [&](const auto& d) { return d->watch == number; });
    if (same != directories_.end()) {  // one directory by two keys: its birth time was not told before
        memory_ -= (*same)->memory;
        directories_.erase(same);
    }
    filling_ = std::make_unique<Directory>(key, number, seed_);
    filling_->used = ++uses_;
    return true;
}

void NameIndex::add(std::string_view name) {
    ATOLL_ASSERT(filling_);
    if (filling_->names.memory() > bounds_.memory) return;  // end() drops it
    filling_->names.insert(name);
}

void NameIndex::end(bool complete) {
    ATOLL_ASSERT(filling_);
    const std::unique_ptr<Directory> filled = std::move(filling_);
    const bool too_large = filled->names.memory() > bounds_.memory;
    if (!complete || too_large) {
        unwatch(filled->watch);
        const auto missed = std::find_if(missed_.begin(), missed_.end(), [&](const Missed& m) { return m.key == filled->key; });
        if (too_large && missed != missed_.end()) missed->too_large = true;
        return;
    }
    count(*filled);
    directories_.push_back(std::make_unique<Directory>(std::move(*filled)));
    make_room();
}

void NameIndex::withdraw(const Stat& stat, std::string_view stored) {
    if (const auto place = by_key(key_of(stat)); place != directories_.end()) (*place)->names.erase(stored);
}

void NameIndex::drop(Place place) {
    memory_ -= (*place)->memory;
    unwatch((*place)->watch);
    directories_.erase(place);
}

// With the descriptor go all watches and all that is queued.
void NameIndex::drop_all() {
    directories_.clear();
    memory_ = 0;
    inotify_.reset();
}

}  // namespace Atoll::vfs
