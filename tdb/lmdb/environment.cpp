#include "tdb/lmdb/environment.h"

#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/file.h"
#include "base/limits.h"
#include "base/unique_fd.h"
#include "tdb/lmdb/cut_short.h"

namespace Atoll::tdb {
namespace {

struct OpenFile {
    uint64_t device, inode;
    pid_t owner;  // a child does not have open what its parent has
    bool operator==(const OpenFile&) const = default;
};
// The environments that this process has open: LMDB allows each once.
std::vector<OpenFile>& open_environments() {
    static std::vector<OpenFile> environments;
    return environments;
}

Code code_of(int outcome) {
    switch (outcome) {
        case MDB_NOTFOUND: return Code::not_found;
        case MDB_KEYEXIST: return Code::exists;
        case MDB_MAP_FULL:
        case MDB_TXN_FULL:
        case MDB_DBS_FULL: return Code::no_space;
        case MDB_CORRUPTED:
        case MDB_PAGE_NOTFOUND:
        case MDB_INVALID: return Code::corrupt;
        case MDB_VERSION_MISMATCH:
        case MDB_INCOMPATIBLE: return Code::unsupported;
        case MDB_READERS_FULL: return Code::busy;
        case MDB_BAD_VALSIZE: return Code::invalid;
        default: return Code::io;
    }
}

// LMDB makes the file of readers' places larger without giving it room on the disk: on a full one the first reader of a page would end with
// SIGBUS. Before LMDB opens it, since the closing of any descriptor of it would give up this process's locks.
Result<void> reserve_reader_places(const std::string& path, unsigned mode) {
    constexpr off_t bytes_of_a_place = 64;
    const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, mode));
    if (!fd && errno == EROFS) return {};  // nobody writes, so nobody needs a place
    if (!fd) return fail_errno(errno, path, "cannot open the readers' places");
    if (const int error = ::posix_fallocate(fd.get(), 0, bytes_of_a_place * limits::max_lmdb_readers); error != 0)
        return fail_errno(error, path, "there is no room for the readers' places");
    return {};
}

}  // namespace

// LMDB calls it an I/O error when a write was cut short. Where there is less space than a commit may need it was for want of that; a quota
// or a limit of the file's size shows when one writes on at its end, where nobody looks.
int LmdbEnvironment::cause_of(int outcome) const {
    if (outcome != EIO) return outcome;
    constexpr off_t page = 4096;
    static const std::array<uint8_t, page> zeros{};
    int fd = -1;
    struct stat st {};
    if (::mdb_env_get_fd(environment_, &fd) != 0 || ::fstat(fd, &st) != 0) return outcome;
    struct statvfs space {};
    if (::fstatvfs(fd, &space) == 0 && space.f_bavail * space.f_frsize < 2 * limits::max_commit_bytes) return ENOSPC;
    off_t at = (st.st_size + page - 1) / page * page;
    for (const off_t end = at + page; at < end;) {
        const ssize_t n = ::pwrite(fd, zeros.data(), static_cast<size_t>(end - at), at);
        if (n <= 0) return n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) ? errno : outcome;
        at += n;
    }
    return outcome;
}

Failure<Error> LmdbEnvironment::lmdb_failed(int outcome, const std::string& what) {
    if (outcome == MDB_PANIC) broken_ = true;
    if (outcome > 0) return fail_errno(outcome, path_, what);
    return fail(code_of(outcome), path_, what + ": " + ::mdb_strerror(outcome));
}

void LmdbEnvironment::assert_own() const { ATOLL_ASSERT(owner_ == ::getpid() && "an LMDB environment is never used across fork"); }

Result<std::shared_ptr<LmdbEnvironment>> LmdbEnvironment::open(const LmdbEnvironmentOptions& options) {
    std::shared_ptr<LmdbEnvironment> environment(new LmdbEnvironment(options.path));
    if (auto opened = environment->open_file(options); !opened) return opened.failure();
    return environment;
}

Result<void> LmdbEnvironment::refuse_second_open() const {
    struct stat st {};
    if (::stat(path_.c_str(), &st) != 0) return {};
    auto& open = open_environments();
    if (std::find(open.begin(), open.end(), OpenFile{st.st_dev, st.st_ino, owner_}) == open.end()) return {};
    return fail(Code::busy, path_, "this process has the database open already");
}

Result<void> LmdbEnvironment::open_file(const LmdbEnvironmentOptions& options) {
    owner_ = ::getpid();
    if (auto only = refuse_second_open(); !only) return only;
    const bool is_there = ::access(path_.c_str(), F_OK) == 0;
    if (!is_there && (!options.create || options.read_only)) return fail_errno(ENOENT, path_, "cannot open the database");
    read_only_ = options.read_only;
    if (auto reserved = reserve_reader_places(path_ + "-lock", options.mode); !reserved) return reserved;
    int outcome = ::mdb_env_create(&environment_);
    if (outcome == 0) outcome = ::mdb_env_set_mapsize(environment_, options.map_size);
    if (outcome == 0) outcome = ::mdb_env_set_maxdbs(environment_, limits::max_lmdb_databases);
    if (outcome == 0) outcome = ::mdb_env_set_maxreaders(environment_, limits::max_lmdb_readers);
    const unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | (read_only_ ? unsigned{MDB_RDONLY} : 0u);
    if (outcome == 0) outcome = ::mdb_env_open(environment_, path_.c_str(), flags, options.mode);
    if (outcome != 0) return lmdb_failed(outcome, "cannot open the database");
    if (is_there && is_cut_short(environment_, path_))
        return fail(Code::corrupt, path_,
                    "the file has been cut short: what its last commit says is there is not; restore it from a backup");
    if (!is_there) {
        // LMDB syncs the file but not the directory in which it has just been made.
        if (auto synced = sync_directory_of(path_); !synced) return synced;
    }
    struct stat st {};
    if (::stat(path_.c_str(), &st) != 0) return fail_errno(errno, path_, "cannot examine the file");
    device_ = st.st_dev;
    inode_ = st.st_ino;
    open_environments().push_back({device_, inode_, owner_});
    return {};
}

LmdbEnvironment::~LmdbEnvironment() {
    if (inode_ != 0) std::erase(open_environments(), OpenFile{device_, inode_, owner_});
    if (!environment_ || owner_ != ::getpid()) return;  // a child leaves its parent's environment alone
    if (writer_) ::mdb_txn_abort(writer_);
    if (reader_) ::mdb_txn_abort(reader_);
    ::mdb_env_close(environment_);
}

int LmdbEnvironment::begin_transaction(unsigned flags, MDB_txn** transaction) {
    for (int tries = 0;; tries++) {
        const int outcome = *transaction ? ::mdb_txn_renew(*transaction) : ::mdb_txn_begin(environment_, nullptr, flags, transaction);
        if (outcome != MDB_MAP_RESIZED || tries > 0) return outcome;
        if (const int resized = ::mdb_env_set_mapsize(environment_, 0); resized != 0) return resized;
    }
}

// The name is empty for the unnamed database.
Result<unsigned> LmdbEnvironment::open_database(const std::string& name) {
    assert_own();
    ATOLL_ASSERT(!writer_ && !viewing_);
    const unsigned flags = read_only_ ? unsigned{MDB_RDONLY} : 0u;
    MDB_txn* transaction = nullptr;
    int outcome = begin_transaction(flags, &transaction);
    if (outcome != 0) return lmdb_failed(outcome, "cannot begin a transaction");
    unsigned dbi = 0;
    outcome = ::mdb_dbi_open(transaction, name.empty() ? nullptr : name.c_str(), read_only_ ? 0u : unsigned{MDB_CREATE}, &dbi);
    if (outcome == 0) {
        outcome = ::mdb_txn_commit(transaction);
    } else {
        ::mdb_txn_abort(transaction);
    }
    if (outcome != 0) return lmdb_failed(outcome, name.empty() ? "cannot open the database" : "cannot open the database '" + name + "'");
    return dbi;
}

bool LmdbEnvironment::will_grow() const { return was_full_ && map_size() < limits::max_lmdb_map; }

uint64_t LmdbEnvironment::map_size() const {
    MDB_envinfo info{};
    ::mdb_env_info(environment_, &info);
    return info.me_mapsize;
}

uint64_t LmdbEnvironment::last_commit() const {
    assert_own();
    MDB_envinfo info{};
    ::mdb_env_info(environment_, &info);
    return info.me_last_txnid;
}

Result<void> LmdbEnvironment::grow() {
    const uint64_t size = std::min(map_size() * 2, limits::max_lmdb_map);
    if (size <= map_size()) return fail(Code::no_space, path_, "the database has reached its limit");
    if (const int outcome = ::mdb_env_set_mapsize(environment_, size); outcome != 0)
        return lmdb_failed(outcome, "cannot make the map larger");
    return {};
}

Result<void> LmdbEnvironment::grow_if_near_full() {
    MDB_envinfo info{};
    MDB_stat stat{};
    ::mdb_env_info(environment_, &info);
    ::mdb_env_stat(environment_, &stat);
    const bool half_full = (info.me_last_pgno + 1) * stat.ms_psize > info.me_mapsize / 2;
    if (!(was_full_ || half_full) || info.me_mapsize >= limits::max_lmdb_map) return {};
    was_full_ = false;
    return grow();
}

Result<void> LmdbEnvironment::begin_write() {
    assert_own();
    if (read_only_) return fail(Code::denied, path_, "the database is open for reading only");
    ATOLL_ASSERT(!writer_);
    if (const int outcome = begin_transaction(0, &writer_); outcome != 0) {
        writer_ = nullptr;
        return lmdb_failed(outcome, "cannot begin a transaction");
    }
    return {};
}

Result<void> LmdbEnvironment::commit_write() {
    const int outcome = cause_of(::mdb_txn_commit(std::exchange(writer_, nullptr)));
    was_full_ = was_full_ || outcome == MDB_MAP_FULL;
    if (outcome != 0) return lmdb_failed(outcome, "cannot commit");
    return {};
}

void LmdbEnvironment::abort_write() { ::mdb_txn_abort(std::exchange(writer_, nullptr)); }

Result<void> LmdbEnvironment::begin() {
    ATOLL_ASSERT(!explicit_);
    assert_own();
    if (!read_only_) {
        if (auto grown = grow_if_near_full(); !grown) return grown;
    }
    if (auto begun = begin_write(); !begun) return begun;
    explicit_ = true;
    return {};
}

Result<void> LmdbEnvironment::commit() {
    ATOLL_ASSERT(explicit_);
    assert_own();
    explicit_ = false;
    return commit_write();
}

void LmdbEnvironment::cancel() {
    ATOLL_ASSERT(explicit_);
    assert_own();
    explicit_ = false;
    abort_write();
}

Result<MDB_txn*> LmdbEnvironment::view() {
    assert_own();
    if (writer_) return writer_;
    ATOLL_ASSERT(!viewing_ && "one view of an environment at a time");
    if (const int outcome = begin_transaction(MDB_RDONLY, &reader_); outcome != 0) return lmdb_failed(outcome, "cannot begin to read");
    viewing_ = true;
    return reader_;
}

void LmdbEnvironment::end_view(MDB_txn* transaction) {
    if (transaction != reader_) return;
    ::mdb_txn_reset(reader_);
    viewing_ = false;
}

Result<void> LmdbEnvironment::write(FunctionRef<int(MDB_txn*)> change, const char* what) {
    if (explicit_) {
        assert_own();
        const int outcome = change(writer_);
        was_full_ = was_full_ || outcome == MDB_MAP_FULL;
        if (outcome != 0) return lmdb_failed(outcome, what);
        return {};
    }
    for (;;) {
        if (!writer_) {
            if (auto begun = begin_write(); !begun) return begun;
        }
        int outcome = change(writer_);
        if (outcome == 0) outcome = cause_of(::mdb_txn_commit(std::exchange(writer_, nullptr)));
        if (outcome == 0) return {};
        if (writer_) abort_write();
        if (outcome != MDB_MAP_FULL) return lmdb_failed(outcome, what);
        if (auto grown = grow(); !grown) return grown;
    }
}

Result<unsigned> LmdbEnvironment::clear_dead_readers() {
    assert_own();
    int dead = 0;
    if (const int outcome = ::mdb_reader_check(environment_, &dead); outcome != 0) return lmdb_failed(outcome, "cannot clear dead readers");
    return static_cast<unsigned>(dead);
}

Result<void> LmdbEnvironment::copy_to(const std::string& path) {
    assert_own();
    ATOLL_ASSERT(!writer_ && !viewing_);
    // A process that began before the map grew cannot copy what lies behind its own end of it.
    auto current = view();
    if (!current) return current.failure();
    end_view(*current);
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd) return fail_errno(errno, path, "cannot make the copy");
    const int outcome = ::mdb_env_copyfd2(environment_, fd.get(), MDB_CP_COMPACT);
    const int synced = outcome == 0 ? ::fsync(fd.get()) : 0;
    const int error = outcome != 0 ? outcome : errno;
    if (outcome == 0 && synced == 0) return sync_directory_of(path);
    ::unlink(path.c_str());
    if (error > 0) return fail_errno(error, path, "cannot write the copy");
    return lmdb_failed(error, "cannot copy the database");
}

Result<std::vector<std::string>> LmdbEnvironment::database_names() {
    auto unnamed = open_database({});
    if (!unnamed) return unnamed.failure();
    auto transaction = view();
    if (!transaction) return transaction.failure();
    std::vector<std::string> names;
    MDB_cursor* cursor = nullptr;
    MDB_val key{}, value{};
    int outcome = ::mdb_cursor_open(*transaction, *unnamed, &cursor);
    if (outcome == 0) outcome = ::mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    std::vector<std::string> keys;
    while (outcome == 0) {
        keys.emplace_back(static_cast<const char*>(key.mv_data), key.mv_size);
        if (keys.size() > limits::max_lmdb_databases) break;  // records, then
        outcome = ::mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    if (cursor) ::mdb_cursor_close(cursor);
    for (const std::string& name : keys) {
        // Opening a record that is no database is MDB_INCOMPATIBLE.
        unsigned dbi = 0;
        if (name.find('\0') == name.npos && ::mdb_dbi_open(*transaction, name.c_str(), 0, &dbi) == 0) names.push_back(name);
    }
    end_view(*transaction);
    if (outcome != 0 && outcome != MDB_NOTFOUND) return lmdb_failed(outcome, "cannot list the databases");
    return names;
}

}  // namespace Atoll::tdb
