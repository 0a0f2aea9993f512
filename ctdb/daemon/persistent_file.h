// A persistent database of a node: an LMDB file. What the last transaction wrote stands apart from the rest, so that it can be dropped
// again, or be sent to another node, at the cost of what it wrote.
//
// Any thread, one at a time. Errors of write(): Code::no_space (the disk is full: nothing has changed), others.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "ctdb/core/persistent_store.h"

struct MDB_env;
struct MDB_txn;
struct MDB_val;

namespace Atoll::ctdb {

// `replicated`: for as long as the process lives. What a former one has left is removed, and nothing is synced.
enum class Lifetime { persistent, replicated };

class PersistentFile {
 public:
    static Result<std::unique_ptr<PersistentFile>> open(const std::string& path, DatabaseId database,
                                                        Lifetime lifetime = Lifetime::persistent);
    // Of a replicated database of a former daemon, if there is one.
    static void remove_replicated(const std::string& path);
    ~PersistentFile();
    PersistentFile(const PersistentFile&) = delete;
    PersistentFile& operator=(const PersistentFile&) = delete;

    using Visit = std::function<bool(Bytes key, Bytes value)>;  // false: that was enough

    [[nodiscard]] const holding& held() const { return held_; }
    // Durable when it returns, if it is persistent, or as if it had not been asked for.
    Result<void> write(PersistentWrite kind, const holding& after, const Writes& writes);
    Result<Writes> last_writes() const;
    // Records by rising key, those behind `after` only, as the last transaction left them.
    Result<void> each(Bytes after, const Visit& visit) const;
    // False: there is none.
    Result<bool> read(Bytes key, std::vector<uint8_t>& value) const;

 private:
    PersistentFile(std::string path, DatabaseId database) : path_(std::move(path)) { held_.database = database; }
    Result<void> open_environment(Lifetime lifetime);
    int open_tables(MDB_txn* transaction);
    int change(MDB_txn* transaction, PersistentWrite kind, const holding& after, const Writes& writes) const;
    int settle_last(MDB_txn* transaction) const;
    int put_all(MDB_txn* transaction, unsigned table, const Writes& writes, bool with_removed) const;
    [[nodiscard]] Failure<Error> failed(int outcome, const char* what) const;
    Result<void> reading(const std::function<int(MDB_txn*)>& read) const;

    const std::string path_;
    holding held_;
    MDB_env* environment_ = nullptr;
    unsigned records_ = 0, last_ = 0, state_ = 0;
};

}  // namespace Atoll::ctdb
