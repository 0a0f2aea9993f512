#include "tdb/lmdb/lmdb_database.h"

#include <lmdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/bytes.h"
#include "base/limits.h"

namespace Atoll::tdb {
namespace {

struct FileId {
    uint64_t device, inode;
    bool operator==(const FileId&) const = default;
};
// The environments that this process has open: LMDB allows each once.
std::vector<FileId>& open_environments() {
    static std::vector<FileId> environments;
    return environments;
}

MDB_val to_val(Bytes bytes) { return {bytes.size(), const_cast<uint8_t*>(bytes.data())}; }
Bytes to_bytes(const MDB_val& value) { return {static_cast<const uint8_t*>(value.mv_data), value.mv_size}; }

Code code_of(int outcome) {
    switch (outcome) {
        case MDB_NOTFOUND: return Code::not_found;
        case MDB_KEYEXIST: return Code::exists;
        case MDB_MAP_FULL:
        case MDB_TXN_FULL: return Code::no_space;
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

// What happened to a record that is held outside a transaction: HeldRecord::cookie[0].
enum Done : uint64_t { not_yet, stored, removed };

}  // namespace

Failure<Error> LmdbDatabase::lmdb_failed(int outcome, const char* what) const {
    if (outcome > 0) return fail_errno(outcome, name(), what);
    return failed(code_of(outcome), std::string(what) + ": " + ::mdb_strerror(outcome));
}

void LmdbDatabase::assert_own() const { ATOLL_ASSERT(owner_ == ::getpid() && "an LMDB environment is never used across fork"); }

Result<std::unique_ptr<LmdbDatabase>> LmdbDatabase::open(const LmdbOptions& options) {
    std::unique_ptr<LmdbDatabase> database(new LmdbDatabase(options.path, options.rank));
    if (auto opened = database->open_environment(options); !opened) return opened.failure();
    return database;
}

Result<void> LmdbDatabase::refuse_second_open() {
    struct stat st {};
    if (::stat(name().c_str(), &st) != 0) return {};
    auto& open = open_environments();
    if (std::find(open.begin(), open.end(), FileId{st.st_dev, st.st_ino}) == open.end()) return {};
    return failed(Code::busy, "this process has the database open already");
}

Result<void> LmdbDatabase::open_environment(const LmdbOptions& options) {
    if (auto only = refuse_second_open(); !only) return only;
    if (!options.create && ::access(name().c_str(), F_OK) != 0) return fail_errno(errno, name(), "cannot open the database");
    read_only_ = options.read_only;
    owner_ = ::getpid();
    int outcome = ::mdb_env_create(&environment_);
    if (outcome == 0) outcome = ::mdb_env_set_mapsize(environment_, options.map_size);
    const unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | (read_only_ ? unsigned{MDB_RDONLY} : 0u);
    if (outcome == 0) outcome = ::mdb_env_open(environment_, name().c_str(), flags, options.mode);
    if (outcome != 0) return lmdb_failed(outcome, "cannot open the database");
    struct stat st {};
    if (::stat(name().c_str(), &st) != 0) return fail_errno(errno, name(), "cannot examine the file");
    device_ = st.st_dev;
    inode_ = st.st_ino;
    open_environments().push_back({device_, inode_});
    MDB_txn* transaction = nullptr;
    outcome = ::mdb_txn_begin(environment_, nullptr, read_only_ ? unsigned{MDB_RDONLY} : 0u, &transaction);
    if (outcome == MDB_MAP_RESIZED) {
        outcome = ::mdb_env_set_mapsize(environment_, 0);
        if (outcome == 0) outcome = ::mdb_txn_begin(environment_, nullptr, read_only_ ? unsigned{MDB_RDONLY} : 0u, &transaction);
    }
    if (outcome != 0) return lmdb_failed(outcome, "cannot begin a transaction");
    outcome = ::mdb_dbi_open(transaction, nullptr, 0, &dbi_);
    if (outcome == 0) {
        outcome = ::mdb_txn_commit(transaction);
    } else {
        ::mdb_txn_abort(transaction);
    }
    if (outcome != 0) return lmdb_failed(outcome, "cannot open the database");
    return {};
}

LmdbDatabase::~LmdbDatabase() {
    std::erase(open_environments(), FileId{device_, inode_});
    if (!environment_ || owner_ != ::getpid()) return;  // a child leaves its parent's environment alone
    if (writer_) ::mdb_txn_abort(writer_);
    if (reader_) ::mdb_txn_abort(reader_);
    ::mdb_env_close(environment_);
}

Result<void> LmdbDatabase::reopen_after_fork() {
    ATOLL_ASSERT(false && "an LMDB environment is never used across fork");
    return {};
}

Result<uint32_t> LmdbDatabase::sequence_number() {
    assert_own();
    MDB_envinfo info{};
    if (const int outcome = ::mdb_env_info(environment_, &info); outcome != 0)
        return lmdb_failed(outcome, "cannot examine the environment");
    return static_cast<uint32_t>(info.me_last_txnid);
}

// Transactions

Result<void> LmdbDatabase::grow() {
    ATOLL_ASSERT(!writer_);
    MDB_envinfo info{};
    ::mdb_env_info(environment_, &info);
    const uint64_t size = std::min<uint64_t>(info.me_mapsize * 2, limits::max_lmdb_map);
    if (size <= info.me_mapsize) return failed(Code::no_space, "the database has reached its limit of size");
    if (const int outcome = ::mdb_env_set_mapsize(environment_, size); outcome != 0)
        return lmdb_failed(outcome, "cannot make the map larger");
    return {};
}

Result<void> LmdbDatabase::grow_if_near_full() {
    MDB_envinfo info{};
    MDB_stat stat{};
    ::mdb_env_info(environment_, &info);
    ::mdb_env_stat(environment_, &stat);
    const bool half_full = (info.me_last_pgno + 1) * stat.ms_psize > info.me_mapsize / 2;
    if (!(was_full_ || half_full) || info.me_mapsize >= limits::max_lmdb_map) return {};
    was_full_ = false;
    return grow();
}

Result<void> LmdbDatabase::begin_write() {
    assert_own();
    if (read_only_) return failed(Code::denied, "the database is open for reading only");
    ATOLL_ASSERT(!writer_);
    int outcome = ::mdb_txn_begin(environment_, nullptr, 0, &writer_);
    if (outcome == MDB_MAP_RESIZED) {
        outcome = ::mdb_env_set_mapsize(environment_, 0);
        if (outcome == 0) outcome = ::mdb_txn_begin(environment_, nullptr, 0, &writer_);
    }
    if (outcome != 0) {
        writer_ = nullptr;
        return lmdb_failed(outcome, "cannot begin a transaction");
    }
    return {};
}

Result<void> LmdbDatabase::commit_write() {
    const int outcome = ::mdb_txn_commit(std::exchange(writer_, nullptr));
    if (outcome != 0) return lmdb_failed(outcome, "cannot commit");
    return {};
}

void LmdbDatabase::abort_write() { ::mdb_txn_abort(std::exchange(writer_, nullptr)); }

Result<void> LmdbDatabase::begin() {
    ATOLL_ASSERT(!explicit_ && !any_held());
    assert_own();
    if (!read_only_) {
        if (auto grown = grow_if_near_full(); !grown) return grown;
    }
    if (auto begun = begin_write(); !begun) return begun;
    explicit_ = true;
    return {};
}

Result<void> LmdbDatabase::commit() {
    ATOLL_ASSERT(explicit_ && !any_held());
    assert_own();
    explicit_ = false;
    return commit_write();
}

void LmdbDatabase::cancel() {
    ATOLL_ASSERT(explicit_ && !any_held());
    assert_own();
    explicit_ = false;
    abort_write();
}

Result<MDB_txn*> LmdbDatabase::view() {
    assert_own();
    if (writer_) return writer_;
    for (int tries = 0;; tries++) {
        const int outcome = reader_ ? ::mdb_txn_renew(reader_) : ::mdb_txn_begin(environment_, nullptr, MDB_RDONLY, &reader_);
        if (outcome == 0) return reader_;
        if (outcome != MDB_MAP_RESIZED || tries > 0) return lmdb_failed(outcome, "cannot begin to read");
        if (const int resized = ::mdb_env_set_mapsize(environment_, 0); resized != 0)
            return lmdb_failed(resized, "cannot make the map larger");
    }
}

void LmdbDatabase::end_view(MDB_txn* transaction) {
    if (transaction == reader_) ::mdb_txn_reset(reader_);
}

Result<void> LmdbDatabase::write(FunctionRef<int(MDB_txn*)> change, const char* what) {
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
        if (outcome == 0) outcome = ::mdb_txn_commit(std::exchange(writer_, nullptr));
        if (outcome == 0) return {};
        if (writer_) abort_write();
        if (outcome != MDB_MAP_FULL) return lmdb_failed(outcome, what);
        if (auto grown = grow(); !grown) return grown;
    }
}

// Operations

Result<bool> LmdbDatabase::do_parse(Bytes key, Parser parser) {
    auto transaction = view();
    if (!transaction) return transaction.failure();
    MDB_val wanted = to_val(key);
    MDB_val value{};
    const int outcome = ::mdb_get(*transaction, dbi_, &wanted, &value);
    if (outcome == 0) parser(to_bytes(value));
    end_view(*transaction);
    if (outcome == 0) return true;
    if (outcome == MDB_NOTFOUND) return false;
    return lmdb_failed(outcome, "cannot read");
}

Result<void> LmdbDatabase::do_store(Bytes key, Bytes value, StoreMode mode) {
    return write(
        [&](MDB_txn* transaction) {
            MDB_val at = to_val(key);
            MDB_val bytes = to_val(value);
            MDB_val old{};
            if (mode == StoreMode::modify) {
                if (const int outcome = ::mdb_get(transaction, dbi_, &at, &old); outcome != 0) return outcome;
            }
            return ::mdb_put(transaction, dbi_, &at, &bytes, mode == StoreMode::insert ? unsigned{MDB_NOOVERWRITE} : 0u);
        },
        "cannot store");
}

Result<bool> LmdbDatabase::do_remove(Bytes key) {
    auto removed = write(
        [&](MDB_txn* transaction) {
            MDB_val at = to_val(key);
            return ::mdb_del(transaction, dbi_, &at, nullptr);
        },
        "cannot remove");
    if (removed) return true;
    if (removed.error().code == Code::not_found) return false;
    return removed.failure();
}

// Appends the records behind last_key, each pair after its two lengths, until there are enough for a batch. False: there were none.
Result<bool> LmdbDatabase::copy_batch(Buffer& batch, Buffer& last_key) {
    auto transaction = view();
    if (!transaction) return transaction.failure();
    MDB_cursor* cursor = nullptr;
    int outcome = ::mdb_cursor_open(*transaction, dbi_, &cursor);
    MDB_val key = to_val(last_key);
    MDB_val value{};
    if (outcome == 0) outcome = ::mdb_cursor_get(cursor, &key, &value, last_key.empty() ? MDB_FIRST : MDB_SET_RANGE);
    if (outcome == 0 && as_text(to_bytes(key)) == as_text(last_key)) outcome = ::mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    batch.clear();
    ByteWriter out(batch);
    Bytes last;
    while (outcome == 0) {
        last = to_bytes(key);
        out.u32(static_cast<uint32_t>(key.mv_size));
        out.u32(static_cast<uint32_t>(value.mv_size));
        out.bytes(last);
        out.bytes(to_bytes(value));
        if (batch.size() >= limits::traverse_batch) break;
        outcome = ::mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    if (!last.empty()) last_key.assign(last);
    if (cursor) ::mdb_cursor_close(cursor);
    end_view(*transaction);
    if (outcome != 0 && outcome != MDB_NOTFOUND) return lmdb_failed(outcome, "cannot traverse");
    return !batch.empty();
}

Result<uint64_t> LmdbDatabase::do_traverse(Visitor visitor) {
    Buffer batch;
    Buffer last_key;
    uint64_t seen = 0;
    for (;;) {
        auto copied = copy_batch(batch, last_key);
        if (!copied) return copied.failure();
        if (!*copied) return seen;
        ByteReader in(batch);
        while (in.remaining() > 0) {
            const uint32_t key_size = in.u32();
            const uint32_t value_size = in.u32();
            const Bytes key = in.bytes(key_size);
            const Bytes value = in.bytes(value_size);
            seen++;
            if (visitor(key, value) == Visit::stop) return seen;
        }
    }
}

Result<void> LmdbDatabase::wipe() {
    ATOLL_ASSERT(!any_held());
    return write([this](MDB_txn* transaction) { return ::mdb_drop(transaction, dbi_, 0); }, "cannot empty the database");
}

Result<void> LmdbDatabase::do_lock(HeldRecord& held, bool wait) {
    if (held.key.empty() || held.key.size() > static_cast<size_t>(::mdb_env_get_maxkeysize(environment_))) {
        return failed(Code::invalid, "a key must have 1 to 511 bytes");
    }
    if (explicit_) return {};
    if (writer_) return failed(Code::invalid, "a second record is held only inside a transaction");
    if (!wait && held_records() > 0) return failed(Code::unsupported, "LMDB cannot try its lock while another record is held");
    if (auto begun = begin_write(); !begun) return begun;
    return {};
}

void LmdbDatabase::do_unlock(HeldRecord&) noexcept {
    assert_own();
    if (!explicit_ && writer_) abort_write();
}

bool LmdbDatabase::locked_exists(const HeldRecord& held) const {
    if (held.cookie[0] != not_yet) return held.cookie[0] == stored;
    MDB_val key = to_val(held.key);
    MDB_val value{};
    return ::mdb_get(writer_, dbi_, &key, &value) == 0;
}

Bytes LmdbDatabase::locked_value(const HeldRecord& held) const {
    if (held.cookie[0] == stored) return held.value;
    MDB_val key = to_val(held.key);
    MDB_val value{};
    if (held.cookie[0] == removed || ::mdb_get(writer_, dbi_, &key, &value) != 0) return {};
    return to_bytes(value);
}

Result<void> LmdbDatabase::locked_store(HeldRecord& held, Bytes value) {
    if (!explicit_ && !writer_) return failed(Code::invalid, "this record has been committed; several changes need a transaction");
    held.value.assign(value);  // `value` may lie in a page that the store changes
    if (auto done = do_store(held.key, held.value, StoreMode::replace); !done) return done;
    if (!explicit_) held.cookie[0] = stored;
    return {};
}

Result<void> LmdbDatabase::locked_remove(HeldRecord& held) {
    if (!explicit_ && !writer_) return failed(Code::invalid, "this record has been committed; several changes need a transaction");
    if (auto done = do_remove(held.key); !done) return done.failure();
    if (!explicit_) held.cookie[0] = removed;
    return {};
}

}  // namespace Atoll::tdb
