#include "ctdb/daemon/persistent_file.h"

#include <lmdb.h>
#include <unistd.h>

#include <algorithm>

#include "base/buffer.h"
#include "ctdb/protocol/node.idl.h"
#include "idl/level.h"
#include "tdb/lmdb/cut_short.h"

namespace Atoll::ctdb {
namespace {

constexpr size_t first_map = size_t{64} << 20;  // bytes of address space; doubles when it is full
constexpr size_t max_map = size_t{8} << 30;
constexpr char state_key[] = "state";

MDB_val to_val(Bytes bytes) { return {bytes.size(), const_cast<uint8_t*>(bytes.data())}; }
Bytes to_bytes(const MDB_val& value) { return {static_cast<const uint8_t*>(value.mv_data), value.mv_size}; }
MDB_val key_of_state() { return {sizeof state_key, const_cast<char*>(state_key)}; }

// The cursor of a transaction.
struct Cursor {
    Cursor(MDB_txn* transaction, unsigned table) { outcome = ::mdb_cursor_open(transaction, table, &cursor); }
    ~Cursor() {
        if (cursor != nullptr) ::mdb_cursor_close(cursor);
    }
    Cursor(const Cursor&) = delete;
    Cursor& operator=(const Cursor&) = delete;
    void move(MDB_cursor_op to) {
        if (cursor != nullptr) outcome = ::mdb_cursor_get(cursor, &key, &value, to);
    }
    // To the first record behind `after`; empty: to the first.
    void seek(Bytes after) {
        if (after.empty()) return move(MDB_FIRST);
        key = to_val(after);
        move(MDB_SET_RANGE);
        if (outcome == 0 && std::ranges::equal(to_bytes(key), after)) move(MDB_NEXT);
    }

    MDB_cursor* cursor = nullptr;
    MDB_val key{}, value{};
    int outcome = 0;
};

}  // namespace

Failure<Error> PersistentFile::failed(int outcome, const char* what) const {
    const Code code = outcome == ENOSPC || outcome == EDQUOT || outcome == MDB_MAP_FULL ? Code::no_space
                      : outcome == MDB_CORRUPTED || outcome == MDB_INVALID              ? Code::corrupt
                                                                                        : Code::io;
    return fail(code, path_, std::string(what) + ": " + ::mdb_strerror(outcome));
}

Result<std::unique_ptr<PersistentFile>> PersistentFile::open(const std::string& path, DatabaseId database, Lifetime lifetime) {
    if (lifetime == Lifetime::replicated) remove_replicated(path);
    std::unique_ptr<PersistentFile> file(new PersistentFile(path, database));
    if (auto opened = file->open_environment(lifetime); !opened) return opened.failure();
    return file;
}

// LMDB keeps another one beside it, which goes last: whoever is killed in between leaves nothing that looks like a database of this start.
void PersistentFile::remove_replicated(const std::string& path) {
    const std::string beside = path + "-lock";
    if (::access(beside.c_str(), F_OK) != 0) return;
    ::unlink(path.c_str());
    ::unlink(beside.c_str());
}

PersistentFile::~PersistentFile() {
    if (environment_ != nullptr) ::mdb_env_close(environment_);
}

Result<void> PersistentFile::open_environment(Lifetime lifetime) {
    const unsigned synced = lifetime == Lifetime::persistent ? 0U : MDB_NOSYNC;
    int outcome = ::mdb_env_create(&environment_);
    if (outcome == 0) outcome = ::mdb_env_set_maxdbs(environment_, 3);
    if (outcome == 0) outcome = ::mdb_env_set_mapsize(environment_, first_map);
    if (outcome == 0) outcome = ::mdb_env_open(environment_, path_.c_str(), MDB_NOSUBDIR | MDB_NOTLS | synced, 0600);
    if (outcome != 0) return failed(outcome, "cannot open");
    if (tdb::is_cut_short(environment_, path_)) return fail(Code::corrupt, path_, "the file has lost its end");
    MDB_txn* transaction = nullptr;
    outcome = ::mdb_txn_begin(environment_, nullptr, 0, &transaction);
    if (outcome != 0) return failed(outcome, "cannot begin");
    outcome = open_tables(transaction);
    if (outcome != 0) {
        ::mdb_txn_abort(transaction);
        return failed(outcome, "cannot open its tables");
    }
    outcome = ::mdb_txn_commit(transaction);
    if (outcome != 0) return failed(outcome, "cannot make its tables");
    return {};
}

int PersistentFile::open_tables(MDB_txn* transaction) {
    for (const auto& [name, table] : {std::pair("records", &records_), std::pair("last", &last_), std::pair("state", &state_)}) {
        if (const int outcome = ::mdb_dbi_open(transaction, name, MDB_CREATE, table); outcome != 0) return outcome;
    }
    MDB_val key = key_of_state(), value{};
    const int outcome = ::mdb_get(transaction, state_, &key, &value);
    if (outcome == MDB_NOTFOUND) return 0;
    if (outcome != 0) return outcome;
    protocol::persistent_state state;
    if (!decode(to_bytes(value), state) || state.held.database != held_.database) return MDB_CORRUPTED;
    held_ = state.held;
    return 0;
}

Result<void> PersistentFile::write(PersistentWrite kind, const holding& after, const Writes& writes) {
    for (;;) {
        MDB_txn* transaction = nullptr;
        int outcome = ::mdb_txn_begin(environment_, nullptr, 0, &transaction);
        if (outcome != 0) return failed(outcome, "cannot begin");
        outcome = change(transaction, kind, after, writes);
        if (outcome == 0) {
            outcome = ::mdb_txn_commit(transaction);
        } else {
            ::mdb_txn_abort(transaction);
        }
        if (outcome == 0) break;
        MDB_envinfo info{};
        ::mdb_env_info(environment_, &info);
        if (outcome != MDB_MAP_FULL || info.me_mapsize >= max_map) return failed(outcome, "cannot write");
        if (outcome = ::mdb_env_set_mapsize(environment_, info.me_mapsize * 2); outcome != 0) return failed(outcome, "cannot grow");
    }
    held_ = after;
    return {};
}

int PersistentFile::change(MDB_txn* transaction, PersistentWrite kind, const holding& after, const Writes& writes) const {
    int outcome = 0;
    if (kind == PersistentWrite::add) outcome = settle_last(transaction);
    if (kind == PersistentWrite::replace) outcome = ::mdb_drop(transaction, records_, 0);
    if (outcome == 0) outcome = ::mdb_drop(transaction, last_, 0);
    if (outcome == 0 && kind == PersistentWrite::add) outcome = put_all(transaction, last_, writes, true);
    if (outcome == 0 && kind == PersistentWrite::replace) outcome = put_all(transaction, records_, writes, false);
    if (outcome != 0) return outcome;
    Buffer bytes;
    encode(protocol::persistent_state{after}, bytes, idl::written_level());
    MDB_val key = key_of_state(), value = to_val(bytes.bytes());
    return ::mdb_put(transaction, state_, &key, &value, 0);
}

// The last transaction becomes one with the rest.
int PersistentFile::settle_last(MDB_txn* transaction) const {
    Cursor at(transaction, last_);
    for (at.move(MDB_FIRST); at.outcome == 0; at.move(MDB_NEXT)) {
        int outcome = 0;
        if (at.value.mv_size == 0) {
            outcome = ::mdb_del(transaction, records_, &at.key, nullptr);
            if (outcome == MDB_NOTFOUND) outcome = 0;
        } else {
            outcome = ::mdb_put(transaction, records_, &at.key, &at.value, 0);
        }
        if (outcome != 0) return outcome;
    }
    return at.outcome == MDB_NOTFOUND ? 0 : at.outcome;
}

int PersistentFile::put_all(MDB_txn* transaction, unsigned table, const Writes& writes, bool with_removed) const {
    for (const auto& write : writes) {
        if (write.value.empty() && !with_removed) continue;
        MDB_val key = to_val(write.key), value = to_val(write.value);
        if (const int outcome = ::mdb_put(transaction, table, &key, &value, 0); outcome != 0) return outcome;
    }
    return 0;
}

Result<void> PersistentFile::reading(const std::function<int(MDB_txn*)>& read) const {
    MDB_txn* transaction = nullptr;
    int outcome = ::mdb_txn_begin(environment_, nullptr, MDB_RDONLY, &transaction);
    if (outcome == 0) {
        outcome = read(transaction);
        ::mdb_txn_abort(transaction);
    }
    if (outcome != 0 && outcome != MDB_NOTFOUND) return failed(outcome, "cannot read");
    return {};
}

Result<Writes> PersistentFile::last_writes() const {
    Writes writes;
    auto done = reading([&](MDB_txn* transaction) {
        Cursor at(transaction, last_);
        for (at.move(MDB_FIRST); at.outcome == 0; at.move(MDB_NEXT)) {
            const Bytes key = to_bytes(at.key), value = to_bytes(at.value);
            writes.push_back({{key.begin(), key.end()}, {value.begin(), value.end()}});
        }
        return at.outcome;
    });
    if (!done) return done.failure();
    return writes;
}

// Two tables side by side; where both have a key, the last transaction's counts.
Result<void> PersistentFile::each(Bytes after, const Visit& visit) const {
    return reading([&](MDB_txn* transaction) {
        Cursor settled(transaction, records_), last(transaction, last_);
        settled.seek(after);
        last.seek(after);
        while (settled.outcome == 0 || last.outcome == 0) {
            const int order = settled.outcome != 0 ? 1 : last.outcome != 0 ? -1 : ::mdb_cmp(transaction, records_, &settled.key, &last.key);
            const Cursor& first = order < 0 ? settled : last;
            const bool removed = order >= 0 && last.value.mv_size == 0;
            if (!removed && !visit(to_bytes(first.key), to_bytes(first.value))) return 0;
            if (order <= 0) settled.move(MDB_NEXT);
            if (order >= 0) last.move(MDB_NEXT);
        }
        return settled.outcome != MDB_NOTFOUND ? settled.outcome : last.outcome;
    });
}

Result<bool> PersistentFile::read(Bytes key, std::vector<uint8_t>& value) const {
    bool found = false;
    auto done = reading([&](MDB_txn* transaction) {
        MDB_val at = to_val(key), bytes{};
        int outcome = ::mdb_get(transaction, last_, &at, &bytes);
        if (outcome == MDB_NOTFOUND) outcome = ::mdb_get(transaction, records_, &at, &bytes);
        if (outcome != 0) return outcome;
        found = bytes.mv_size != 0;
        value.assign(to_bytes(bytes).begin(), to_bytes(bytes).end());
        return 0;
    });
    if (!done) return done.failure();
    return found;
}

}  // namespace Atoll::ctdb
