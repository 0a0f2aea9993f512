#include "tdb/lmdb/lmdb_database.h"

#include <lmdb.h>

#include "base/bytes.h"
#include "base/limits.h"

namespace Atoll::tdb {
namespace {

MDB_val to_val(Bytes bytes) { return {bytes.size(), const_cast<uint8_t*>(bytes.data())}; }
Bytes to_bytes(const MDB_val& value) { return {static_cast<const uint8_t*>(value.mv_data), value.mv_size}; }

// What happened to a record that is held outside a transaction: HeldRecord::cookie[0].
enum Done : uint64_t { not_yet, stored, removed };

}  // namespace

Result<std::unique_ptr<LmdbDatabase>> LmdbDatabase::open(const LmdbOptions& options) {
    LmdbEnvironmentOptions file;
    file.path = options.path;
    file.create = options.create;
    file.read_only = options.read_only;
    file.map_size = options.map_size;
    file.mode = options.mode;
    auto environment = LmdbEnvironment::open(file);
    if (!environment) return environment.failure();
    auto dbi = (*environment)->open_database({});
    if (!dbi) return dbi.failure();
    return std::unique_ptr<LmdbDatabase>(new LmdbDatabase(std::move(*environment), *dbi, options.path, options.rank));
}

Result<std::unique_ptr<LmdbDatabase>> LmdbDatabase::open(std::shared_ptr<LmdbEnvironment> environment, const std::string& name, Rank rank) {
    auto dbi = environment->open_database(name);
    if (!dbi) return dbi.failure();
    std::string shown = name.empty() ? environment->path() : environment->path() + "(" + name + ")";
    return std::unique_ptr<LmdbDatabase>(new LmdbDatabase(std::move(environment), *dbi, std::move(shown), rank));
}

Result<void> LmdbDatabase::reopen_after_fork() {
    ATOLL_ASSERT(false && "an LMDB environment is never used across fork");
    return {};
}

Result<uint32_t> LmdbDatabase::sequence_number() { return static_cast<uint32_t>(environment_->last_commit()); }

Result<void> LmdbDatabase::begin() {
    ATOLL_ASSERT(!any_held());
    return environment_->begin();
}

Result<void> LmdbDatabase::commit() {
    ATOLL_ASSERT(!any_held());
    return environment_->commit();
}

void LmdbDatabase::cancel() {
    ATOLL_ASSERT(!any_held());
    environment_->cancel();
}

Result<bool> LmdbDatabase::do_parse(Bytes key, Parser parser) {
    auto transaction = environment_->view();
    if (!transaction) return transaction.failure();
    MDB_val wanted = to_val(key);
    MDB_val value{};
    const int outcome = ::mdb_get(*transaction, dbi_, &wanted, &value);
    if (outcome == 0) parser(to_bytes(value));
    environment_->end_view(*transaction);
    if (outcome == 0) return true;
    if (outcome == MDB_NOTFOUND) return false;
    return environment_->lmdb_failed(outcome, "cannot read");
}

Result<void> LmdbDatabase::do_store(Bytes key, Bytes value, StoreMode mode) {
    return environment_->write(
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
    auto removed = environment_->write(
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
    auto transaction = environment_->view();
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
    environment_->end_view(*transaction);
    if (outcome != 0 && outcome != MDB_NOTFOUND) return environment_->lmdb_failed(outcome, "cannot traverse");
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
    return environment_->write([this](MDB_txn* transaction) { return ::mdb_drop(transaction, dbi_, 0); }, "cannot empty the database");
}

Result<void> LmdbDatabase::do_lock(HeldRecord& held, bool wait) {
    if (held.key.empty() || held.key.size() > static_cast<size_t>(::mdb_env_get_maxkeysize(environment_->environment_))) {
        return failed(Code::invalid, "a key must have 1 to 511 bytes");
    }
    if (environment_->explicit_) return {};
    if (environment_->writer_) return failed(Code::invalid, "a second record is held only inside a transaction");
    // `held` itself is counted.
    if (!wait && held_records() > 1) return failed(Code::unsupported, "LMDB cannot try its lock while another record is held");
    if (auto begun = environment_->begin_write(); !begun) return begun;
    return {};
}

void LmdbDatabase::do_unlock(HeldRecord&) noexcept {
    environment_->assert_own();
    if (!environment_->explicit_ && environment_->writer_) environment_->abort_write();
}

bool LmdbDatabase::locked_exists(const HeldRecord& held) const {
    if (held.cookie[0] != not_yet) return held.cookie[0] == stored;
    MDB_val key = to_val(held.key);
    MDB_val value{};
    return ::mdb_get(environment_->writer_, dbi_, &key, &value) == 0;
}

Bytes LmdbDatabase::locked_value(const HeldRecord& held) const {
    if (held.cookie[0] == stored) return held.value;
    MDB_val key = to_val(held.key);
    MDB_val value{};
    if (held.cookie[0] == removed || ::mdb_get(environment_->writer_, dbi_, &key, &value) != 0) return {};
    return to_bytes(value);
}

Result<void> LmdbDatabase::locked_store(HeldRecord& held, Bytes value) {
    if (!environment_->explicit_ && !environment_->writer_)
        return failed(Code::invalid, "this record has been committed; several changes need a transaction");
    held.value.assign(value);  // `value` may lie in a page that the store changes
    if (auto done = do_store(held.key, held.value, StoreMode::replace); !done) return done;
    if (!environment_->explicit_) held.cookie[0] = stored;
    return {};
}

Result<void> LmdbDatabase::locked_remove(HeldRecord& held) {
    if (!environment_->explicit_ && !environment_->writer_)
        return failed(Code::invalid, "this record has been committed; several changes need a transaction");
    if (auto done = do_remove(held.key); !done) return done.failure();
    if (!environment_->explicit_) held.cookie[0] = removed;
    return {};
}

}  // namespace Atoll::tdb
