#include "vfs/name_index.h"

#include <linux/magic.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <ctime>
#include <csignal>
#include <new>

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

// What the processes share.
struct NameIndex::Shared {
    pthread_mutex_t mutex;
    alignas(64) char names[1];  // SharedNames
};

NameIndex::NameIndex(Bounds bounds) : bounds_(bounds) {
    const size_t size = offsetof(Shared, names) + SharedNames::size_for(bounds);
    void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    inotify_.reset(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (memory == MAP_FAILED || !inotify_.valid()) {
        log_warning("vfs: no index of names ({}): names that are not there cost a scan; see fs.inotify.max_user_instances",
                    std::strerror(errno));
        if (memory != MAP_FAILED) (void)::munmap(memory, size);
        inotify_.reset();
        return;
    }
    shared_ = new (memory) Shared;
    pthread_mutexattr_t attributes;
    ATOLL_ASSERT(pthread_mutexattr_init(&attributes) == 0);
    ATOLL_ASSERT(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) == 0);
    ATOLL_ASSERT(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST) == 0);
    ATOLL_ASSERT(pthread_mutex_init(&shared_->mutex, &attributes) == 0);
    (void)pthread_mutexattr_destroy(&attributes);
    names_ = std::make_unique<SharedNames>(shared_memory(), bounds);
    names_->begin(random_u64());
}

NameIndex::~NameIndex() { give_up(); }

NameIndex& NameIndex::of_process() {
    static NameIndex index;
    return index;
}

void NameIndex::give_up() {
    names_.reset();
    inotify_.reset();
    if (shared_ == nullptr) return;
    (void)::munmap(std::exchange(shared_, nullptr), offsetof(Shared, names) + SharedNames::size_for(bounds_));
}

MutableBytes NameIndex::shared_memory() { return {reinterpret_cast<uint8_t*>(shared_->names), SharedNames::size_for(bounds_)}; }

// False: there is none, or somebody holds it for too long.
bool NameIndex::lock() {
    if (shared_ == nullptr) return false;
    int result = pthread_mutex_trylock(&shared_->mutex);
    if (result == EBUSY && std::chrono::steady_clock::now() >= not_before_) {
        waits_++;
        timespec until{};
        (void)::clock_gettime(CLOCK_MONOTONIC, &until);
        const int64_t nanoseconds = until.tv_nsec + std::chrono::nanoseconds(limits::name_index_patience).count();
        until.tv_sec += nanoseconds / 1000000000;
        until.tv_nsec = nanoseconds % 1000000000;
        result = pthread_mutex_clocklock(&shared_->mutex, CLOCK_MONOTONIC, &until);
        if (result == ETIMEDOUT) not_before_ = std::chrono::steady_clock::now() + limits::name_index_pause;
    }
    if (result == EOWNERDEAD) {
        log_notice("vfs: a process has died at the index of names, which begins anew");
        drop_all();
        (void)pthread_mutex_consistent(&shared_->mutex);
        result = 0;
    }
    return result == 0;
}

void NameIndex::unlock() {
    if (names_->damaged()) {
        log_error("vfs: the index of names is damaged, and begins anew");
        drop_all();
    }
    (void)pthread_mutex_unlock(&shared_->mutex);
}

SharedNames::Key NameIndex::key_of(const Stat& stat) { return {stat.device, stat.inode, stat.birth_time.tv_sec, stat.birth_time.tv_nsec}; }

size_t NameIndex::directories() {
    size_t count = 0;
    if (const Hold hold(*this); hold) names_->each([&](const SharedNames::Directory& one) { count += one.ready != 0 ? 1 : 0; });
    return count;
}

size_t NameIndex::memory() {
    const Hold hold(*this);
    return hold ? names_->name_bytes() : 0;
}

NameIndex::Answer NameIndex::find(const Stat& stat, std::string_view name, const char* mangling_char, std::string& stored) {
    const Hold hold(*this);
    if (!hold) return Answer::unknown;
    const SharedNames::Key key = key_of(stat);
    if (const auto* there = names_->find(key); there == nullptr || there->ready == 0) return Answer::unknown;
    drain();
    SharedNames::Directory* const directory = names_->find(key);
    if (directory == nullptr || directory->ready == 0) return Answer::unknown;
    directory->used = names_->next_use();
    found_in_ = directory->id;
    found_arrivals_ = directory->arrivals;
    bool found = names_->find(*directory, name, stored);
    if (!found && mangling_char != nullptr && may_be_made(name, *mangling_char)) {
        const int number = directory->watch;
        found = names_->find_short(*directory, name, *mangling_char, stored);
        if (directory->id == 0) unwatch(number);  // there was no room
    }
    if (names_->damaged() || directory->id == 0) return Answer::unknown;
    answers_++;
    return found ? Answer::present : Answer::absent;
}

// Reads all events that are queued now. A read that returns with room for another event in its buffer has met the end of the queue.
void NameIndex::drain() {
    alignas(inotify_event) std::array<char, read_size> buffer;
    for (size_t reads = 0; reads < limits::max_name_drain; reads++) {
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
        if (size + largest_event <= buffer.size()) return;
    }
    drop_all();
}

void NameIndex::apply(const inotify_event& event, std::string_view name) {
    if ((event.mask & IN_Q_OVERFLOW) != 0) return drop_all();
    SharedNames::Directory* const directory = names_->by_watch(event.wd);
    if (directory == nullptr) {  // of one that was dropped, perhaps by somebody who died at it
        if ((event.mask & IN_IGNORED) == 0) unwatch(event.wd);
        return;
    }
    if ((event.mask & ended) != 0 || name.empty()) return drop(*directory);
    if ((event.mask & (IN_CREATE | IN_MOVED_TO)) != 0) {
        directory->arrivals++;
        directory->came = (event.mask & IN_MOVED_TO) != 0 ? names_->exact_hash(name) : directory->came;
        const uint32_t id = directory->id;
        if (insert(id, name)) return;
        if (auto* full = names_->by_id(id)) drop(*full);
        return;
    }
    const bool exchanged = (event.mask & IN_MOVED_FROM) != 0 && directory->came == names_->exact_hash(name);
    if (!exchanged) names_->erase(*directory, name);
    if ((event.mask & IN_MOVED_FROM) != 0) directory->came = 0;
}

// Others may have to go for it.
bool NameIndex::insert(uint32_t id, std::string_view name) {
    return names_->insert(id, name, [this](const SharedNames::Directory& gone) { unwatch(gone.watch); });
}

bool NameIndex::missed_before(const SharedNames::Key& key) {
    const auto there = std::find_if(missed_.begin(), missed_.end(), [&](const Missed& m) { return m.key == key; });
    if (there != missed_.end()) return !there->too_large;
    if (missed_.size() < limits::max_name_misses) {
        missed_.push_back({key, false});
    } else {
        missed_[next_missed_++ % missed_.size()] = {key, false};
    }
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
    (void)::inotify_rm_watch(inotify_.get(), watch);  // EINVAL: the directory has gone, and its watch with it
}

bool NameIndex::begin(const File& directory, const Stat& stat) {
    ATOLL_ASSERT(filling_ == 0);
    const SharedNames::Key key = key_of(stat);
    if (!missed_before(key) || !tells_all(directory.fd.get())) return false;
    const Hold hold(*this);
    if (!hold) return false;
    drain();  // those that are gone make room
    return claim(key, directory.fd.get());
}

// Whether the calling process is to fill the index of the directory. Not if another is at it, and lives.
bool NameIndex::claim(const SharedNames::Key& key, int fd) {
    const int64_t now = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
    if (auto* former = names_->find(key)) {
        const bool busy = former->ready == 0 && now - former->filling_since < limits::name_filling_patience.count() &&
                          (::kill(former->filler, 0) == 0 || errno == EPERM) && former->filler != ::getpid();
        if (busy || former->ready != 0) return false;
        drop(*former);
    }
    const int number = watch(fd);
    if (number < 0) return false;
    if (auto* same = names_->by_watch(number)) names_->drop(*same);  // one directory by two keys: its birth time was not told before
    auto* made = names_->add_directory(key, number, [this](const SharedNames::Directory& gone) { unwatch(gone.watch); });
    if (made == nullptr) return false;
    made->filler = static_cast<int32_t>(::getpid());
    made->filling_since = now;
    filling_ = made->id;
    filling_key_ = key;
    too_large_ = false;
    batch_.clear();
    return true;
}

void NameIndex::add(std::string_view name) {
    if (filling_ == 0) return;
    batch_ += static_cast<char>(name.size());
    batch_ += name;
    if (batch_.size() < limits::name_batch) return;
    const Hold hold(*this);
    if (hold) return hand_over();
    filling_ = 0;  // what is there is not ready, and is dropped by the next who wants it
}

void NameIndex::hand_over() {
    for (size_t at = 0; at < batch_.size() && filling_ != 0;) {
        const size_t length = static_cast<unsigned char>(batch_[at]);
        if (!insert(filling_, std::string_view(batch_).substr(at + 1, length))) {
            auto* full = names_->by_id(filling_);
            too_large_ = full != nullptr;
            if (full != nullptr) drop(*full);
            filling_ = 0;
        }
        at += 1 + length;
    }
    batch_.clear();
}

void NameIndex::end(bool complete) {
    if (const Hold hold(*this); hold) {
        hand_over();
        auto* const filled = names_->by_id(filling_);
        if (filled != nullptr && complete) filled->ready = 1;
        if (filled != nullptr && !complete) drop(*filled);
    }
    filling_ = 0;
    if (!too_large_) return;
    const auto missed = std::find_if(missed_.begin(), missed_.end(), [&](const Missed& m) { return m.key == filling_key_; });
    if (missed != missed_.end()) missed->too_large = true;
}

void NameIndex::withdraw(const Stat& stat, std::string_view stored) {
    const Hold hold(*this);
    if (!hold) return;
    auto* const directory = names_->find(key_of(stat));
    if (directory != nullptr && directory->id == found_in_ && directory->arrivals == found_arrivals_) names_->erase(*directory, stored);
}

void NameIndex::drop(SharedNames::Directory& directory) {
    unwatch(directory.watch);
    names_->drop(directory);
}

// What is still queued of their watches is passed over.
void NameIndex::drop_all() {
    names_->each([this](const SharedNames::Directory& one) { unwatch(one.watch); });
    names_->reset(random_u64());
}

}  // namespace Atoll::vfs
