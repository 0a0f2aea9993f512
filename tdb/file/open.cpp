// Opening a TDB file: who is first, what kind it is, and making a new one.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/log.h"
#include "tdb/file/file_database.h"

namespace Atoll::tdb {
namespace {

struct FileId {
    uint64_t device, inode;
    bool operator==(const FileId&) const = default;
};
// The files that this process has open: closing one descriptor of a file would drop the fcntl locks of all.
std::vector<FileId>& open_files() {
    static std::vector<FileId> files;
    return files;
}

// Holds byte lock_open while the file's kind is decided.
class OpenLock {
 public:
    // -1: none is taken.
    explicit OpenLock(int fd) : fd_(fd) {}
    OpenLock(const OpenLock&) = delete;
    OpenLock& operator=(const OpenLock&) = delete;
    ~OpenLock() { release(); }
    void release() {
        if (fd_ >= 0) lock_bytes(std::exchange(fd_, -1), F_UNLCK, lock_open, 1, true);
    }

 private:
    int fd_;
};

Bytes magic2_bytes(uint8_t (&storage)[4]) {
    store_le<uint32_t>(storage, record_live);
    return storage;
}

bool has_hash(const FileHeader& header, HashFunction hash) {
    uint8_t storage[4];
    return header.magic1_hash == hash({reinterpret_cast<const uint8_t*>(file_magic), 10}) &&
           header.magic2_hash == hash(magic2_bytes(storage));
}

FileHeader make_header(const FileOptions& options) {
    FileHeader header{};
    std::memcpy(header.magic, file_magic, sizeof header.magic);
    header.version = file_version;
    header.hash_size = options.hash_size;
    const HashFunction hash = options.hash == HashKind::jenkins ? &jenkins_hash : &default_hash;
    uint8_t storage[4];
    header.magic1_hash = hash({reinterpret_cast<const uint8_t*>(file_magic), 10});
    header.magic2_hash = hash(magic2_bytes(storage));
    header.rwlocks = options.hash == HashKind::jenkins ? hash_in_header : 0;
    if (options.locks == LockMode::mutex) {
        header.rwlocks = features_in_header;
        header.feature_flags = feature_mutex;
        header.mutex_size = static_cast<uint32_t>(mutex_area_size(options.hash_size));
    }
    return header;
}

}  // namespace

Result<std::unique_ptr<FileDatabase>> FileDatabase::open(const FileOptions& options) {
    const bool mutex = options.locks == LockMode::mutex;
    const bool bad_mode = (mutex && ((options.create && !options.clear_if_first) || options.truncate || options.no_locks)) ||
                          (options.read_only && (options.clear_if_first || options.truncate));
    if (bad_mode || options.hash_size == 0 || options.hash_size > max_hash_size) {
        return fail(Code::invalid, options.path, "mutexes need clear_if_first, which needs writing; the hash size must be 1 to 16777216");
    }
    std::unique_ptr<FileDatabase> database(new FileDatabase(options.path, options.rank));
    if (auto opened = database->open_file(options); !opened) return opened.failure();
    return database;
}

FileDatabase::~FileDatabase() {
    if (depth_ > 0) {
        depth_ = 1;
        cancel();
    }
    if (registered_) std::erase(open_files(), FileId{device_, inode_});
}

// Before a descriptor is made: closing it again would already drop the locks.
Result<void> FileDatabase::refuse_second_open() {
    struct stat st {};
    if (::stat(name().c_str(), &st) != 0) return {};
    if (std::find(open_files().begin(), open_files().end(), FileId{st.st_dev, st.st_ino}) == open_files().end()) return {};
    return failed(Code::busy, "this process has the database open already");
}

Result<UniqueFd> FileDatabase::open_descriptor(const FileOptions& options) {
    int flags = O_CLOEXEC | (options.read_only ? O_RDONLY : O_RDWR);
    if (options.create && !options.read_only) flags |= O_CREAT;
    UniqueFd fd(::open(name().c_str(), flags, options.mode));
    if (!fd) return fail_errno(errno, name(), "cannot open the database");
    return fd;
}

Result<void> FileDatabase::register_file(int fd) {
    struct stat st {};
    if (::fstat(fd, &st) != 0) return fail_errno(errno, name(), "cannot examine the file");
    if (!S_ISREG(st.st_mode)) return failed(Code::corrupt, "not a regular file");
    device_ = st.st_dev;
    inode_ = st.st_ino;
    open_files().push_back({device_, inode_});
    registered_ = true;
    return {};
}

// True: nobody else uses the file; the lock that says so is for writing, and is exchanged for a reader's by adopt().
Result<bool> FileDatabase::claim_first(int fd) {
    if (lock_bytes(fd, F_WRLCK, lock_active, 1, false)) return true;
    if (errno != EAGAIN && errno != EACCES) return fail_errno(errno, name(), "cannot lock the file");
    return false;
}

// An empty file. One with mutexes begins with a recovery area, for the slots of overwritten values.
Result<void> FileDatabase::write_new(int fd, const FileOptions& options) {
    FileHeader header = make_header(options);
    const FileHeader outer = header;
    const Offset start = data_start(header.hash_size);
    uint64_t size = uint64_t{header.mutex_size} + start;
    Buffer inner;
    if (header.mutex_size != 0) {
        header.recovery_start = start;
        const uint64_t least = start + sizeof(RecordHeader) + Overwrite::room + limits::min_recovery_area;
        const auto total = static_cast<uint32_t>(least + -least % record_alignment - start);
        const RecordHeader area{0, total - uint32_t{sizeof(RecordHeader)}, start, sizeof(Tailer), 0, record_recovery_idle};
        inner.append_zeros(start);
        inner.append({reinterpret_cast<const uint8_t*>(&area), sizeof area});
        inner.append({reinterpret_cast<const uint8_t*>(&total), sizeof total});
        size += total;
    } else {
        inner.append_zeros(sizeof header);
    }
    std::memcpy(inner.data(), &header, sizeof header);
    if (const int outcome = disk_->truncate(fd, 0); outcome != 0) return fail_errno(outcome, name(), "cannot empty the file");
    int outcome = disk_->allocate(fd, 0, size);
    if (outcome == 0) outcome = disk_->write(fd, header.mutex_size, inner);
    if (outcome == 0 && header.mutex_size != 0) outcome = disk_->write(fd, 0, {reinterpret_cast<const uint8_t*>(&outer), sizeof outer});
    if (outcome == 0) return {};
    (void)disk_->truncate(fd, 0);  // half a header would be taken for somebody's other file
    return fail_errno(outcome, name(), "cannot make the file");
}

Result<FileHeader> FileDatabase::read_header(int fd) {
    FileHeader header{};
    ssize_t got;
    do {
        got = ::pread(fd, &header, sizeof header, 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return fail_errno(errno, name(), "cannot read the header");
    if (static_cast<size_t>(got) < sizeof header || std::memcmp(header.magic, file_magic, sizeof file_magic) != 0) {
        return failed(Code::corrupt, "not a TDB file");
    }
    if (header.version == __builtin_bswap32(file_version)) return failed(Code::unsupported, "a TDB file of the other byte order");
    if (header.version != file_version) return failed(Code::unsupported, fmt::format("TDB version {:#x} is not known", header.version));
    const bool features = header.rwlocks == features_in_header;
    if (header.rwlocks != 0 && header.rwlocks != hash_in_header && !features)
        return failed(Code::unsupported, "an old kind of TDB file, with spin locks");
    if (features && (header.feature_flags & ~feature_mutex) != 0)
        return failed(Code::unsupported, "the TDB file has features that are not known");
    if (header.hash_size == 0 || header.hash_size > max_hash_size) return failed(Code::corrupt, "the header's hash size is out of range");
    if (!features || (header.feature_flags & feature_mutex) == 0) header.mutex_size = 0;
    if (header.mutex_size != 0 && (header.mutex_size % 4096 != 0 || header.mutex_size < mutex_area_size(header.hash_size))) {
        return failed(Code::corrupt, "the header's mutex size is out of range");
    }
    if (features && header.feature_flags != 0 && header.mutex_size == 0)
        return failed(Code::corrupt, "a TDB file with mutexes but no room for them");
    return header;
}

// A file with mutexes that nobody uses: whoever used it last may have died in the middle of anything.
Result<void> FileDatabase::repair_all() {
    if (auto repaired = space_.repair(); !repaired) return repaired;
    for (uint32_t chain = 0; chain < hash_size_; chain++) {
        if (mapping_.load(chain_head(chain)) == 0) continue;
        if (auto repaired = repair_chain(chain); !repaired) return repaired;
    }
    return {};
}

// Maps the file and makes it this object's. `fresh`: its mutexes are to be made, for nobody else uses it.
Result<void> FileDatabase::adopt(UniqueFd fd, const FileHeader& header, bool fresh) {
    const bool mutexes = header.mutex_size != 0;
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0) return fail_errno(errno, name(), "cannot examine the file");
    if (static_cast<uint64_t>(st.st_size) < uint64_t{header.mutex_size} + data_start(header.hash_size))
        return failed(Code::corrupt, "the TDB file is cut short");
    if (auto mapped = mapping_.map(std::move(fd), name(), header.mutex_size, !read_only_ || (mutexes && !unlocked_), *disk_); !mapped)
        return mapped;
    const FileHeader& inner = mapping_.header();
    if (std::memcmp(inner.magic, file_magic, sizeof file_magic) != 0 || inner.hash_size != header.hash_size)
        return failed(Code::corrupt, "the two headers of the TDB file differ");
    if (!set_hash(header)) return failed(Code::unsupported, "the TDB file uses a hash function that is not known");
    hash_size_ = header.hash_size;
    if (mutexes && fresh) {
        auto made = init_mutex_area(*reinterpret_cast<MutexArea*>(mapping_.mutex_area()), hash_size_, name());
        if (!made) return made;
    }
    commit_.use(*disk_, sync_ && !mutexes, mutexes ? Overwrite::room : 0);
    overwrite_.begin_at(static_cast<uint32_t>(::getpid()));
    locks_.use(mapping_, hash_size_, unlocked_ ? ChainLocks::Kind::none : mutexes ? ChainLocks::Kind::mutex : ChainLocks::Kind::fcntl);
    if (unlocked_) {
        locks_.suspend(true);
        whole_ = read_only_ ? Whole::read : Whole::write;
        return read_only_ ? Result<void>{} : commit_.recover();
    }
    if (!mutexes || !fresh) return {};
    if (auto undone = commit_.recover(); !undone) return undone;
    return repair_all();
}

bool FileDatabase::set_hash(const FileHeader& header) {
    if (has_hash(header, &jenkins_hash)) {
        hash_ = &jenkins_hash;
        return true;
    }
    hash_ = &default_hash;
    return has_hash(header, &default_hash) || (header.magic1_hash == 0 && header.magic2_hash == 0);
}

Result<void> FileDatabase::open_file(const FileOptions& options) {
    read_only_ = options.read_only;
    count_changes_ = options.count_changes;
    nesting_ = options.nesting;
    sync_ = options.sync;
    locks_.on_long_wait(options.on_long_wait);
    unlocked_ = options.no_locks;
    if (options.disk) disk_ = options.disk;
    if (auto only = refuse_second_open(); !only) return only;
    auto fd = open_descriptor(options);
    if (!fd) return fd.failure();
    if (auto own = register_file(fd->get()); !own) return own;
    if (auto settled = settle_kind(std::move(*fd), options); !settled) return settled;
    // What a process left that died while committing; the others are waited for.
    if (!unlocked_ && !locks_.mutexes() && commit_.recovery_pending()) return undo_dead_commit();
    return {};
}

// Finds out what the file is, or makes it, and maps it, with the lock that lets one opener at a time do so.
Result<void> FileDatabase::settle_kind(UniqueFd fd, const FileOptions& options) {
    if (read_only_) {
        auto header = read_header(fd.get());
        if (!header) return header.failure();
        if (header->mutex_size == 0 || unlocked_) return adopt(std::move(fd), *header, false);
        fd.reset(::open(name().c_str(), O_RDWR | O_CLOEXEC));  // a reader of a file with mutexes locks them
        if (!fd) return fail_errno(errno, name(), "cannot open the database for locking");
    }
    const int descriptor = fd.get();
    if (!unlocked_ && !lock_bytes(descriptor, F_WRLCK, lock_open, 1, true)) return fail_errno(errno, name(), "cannot lock the file");
    OpenLock open_lock(unlocked_ ? -1 : descriptor);
    auto first = make_if_new(descriptor, options);
    if (!first) return first.failure();
    auto header = read_header(descriptor);
    if (!header) return header.failure();
    if (header->mutex_size != 0 && unlocked_) return failed(Code::invalid, "a file with mutexes is changed only with its locks");
    if (header->mutex_size != 0 && !*first) {
        // A file with mutexes that nobody uses may have been left by another boot: its mutexes are made anew.
        first = claim_first(descriptor);
        if (!first) return first.failure();
    }
    clear_if_first_ = !unlocked_ && (options.clear_if_first || header->mutex_size != 0);
    if (auto adopted = adopt(std::move(fd), *header, *first); !adopted) return adopted;
    if (clear_if_first_ && !lock_bytes(descriptor, F_RDLCK, lock_active, 1, true)) return fail_errno(errno, name(), "cannot lock the file");
    return {};
}

// True: this process is the first user of a file that the first one clears. The file is one then.
Result<bool> FileDatabase::make_if_new(int fd, const FileOptions& options) {
    struct stat st {};
    if (::fstat(fd, &st) != 0) return fail_errno(errno, name(), "cannot examine the file");
    const bool empty = st.st_size == 0;
    bool first = false;
    if (options.clear_if_first && !unlocked_) {
        auto claimed = claim_first(fd);
        if (!claimed) return claimed;
        first = *claimed;
    }
    const bool clear = first || options.truncate;
    if (clear && !empty) {
        if (auto known = read_header(fd); !known && known.error().code == Code::corrupt) return known.failure();  // somebody's other file
    }
    if (clear || (empty && options.create && !read_only_)) {
        if (auto made = write_new(fd, options); !made) return made.failure();
    }
    return first;
}

Result<void> FileDatabase::reopen_after_fork() {
    ATOLL_ASSERT(!any_held());
    // The map, the descriptor and the mutexes serve the child as they are; fcntl locks are not inherited.
    overwrite_.begin_at(static_cast<uint32_t>(::getpid()));
    if (mapping_.is_private()) mapping_.end_private();
    depth_ = 0;
    whole_ = !unlocked_ ? Whole::none : read_only_ ? Whole::read : Whole::write;
    locks_.suspend(unlocked_);
    if (clear_if_first_ && !lock_bytes(mapping_.fd(), F_RDLCK, lock_active, 1, true))
        return fail_errno(errno, name(), "cannot lock the file");
    return {};
}

}  // namespace Atoll::tdb
