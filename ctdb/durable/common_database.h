// A persistent database of the cluster as one process writes it: transactions one after another, without waiting for them, and reads that
// wait.
//
// A transaction belongs to one session of the node. The connection on which it goes is registered (ctdb/daemon/record_clients.h), so ctdbd
// ends it with the session: what this process had to say in that session can never be taken for something of the next.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/buffer.h"
#include "base/loop/loop.h"
#include "base/result.h"
#include "ctdb/core/persistent_store.h"
#include "tdb/database.h"

namespace Atoll::ctdb {

class CommonDatabase {
 public:
    enum class Outcome : uint8_t {
        committed,  // on the disks of all members
        conflict,   // another transaction came after `base`; nothing has happened
        no_room,    // some disk is full, or it is too large; nothing has happened
        refused,    // a record that cannot be written; nothing has happened
    };
    using Done = std::function<void(Outcome)>;

    CommonDatabase() = default;
    CommonDatabase(const CommonDatabase&) = delete;
    CommonDatabase& operator=(const CommonDatabase&) = delete;
    virtual ~CommonDatabase() = default;

    // One at a time, of at most limits::max_transaction_bytes (ctdb/core). `done` is called later, on the loop; never if the database is lost, and then it is not
    // known whether it happened. `base`: sequence(), or protocol::ANY_SEQUENCE. A write without a value removes. Waits for as long as
    // the databases are closed.
    virtual void commit(int64_t base, Writes writes, Done done) = 0;

    // These wait while a transaction is being decided (PersistentReader).
    virtual Result<uint64_t> sequence() = 0;
    virtual Result<bool> fetch(Bytes key, Buffer& value) = 0;
    virtual Result<uint64_t> each(const Value& prefix, tdb::Visitor visitor) = 0;

    // The node's session has ended, or its ctdbd: nothing more is heard.
    std::function<void()> on_lost;
};

// Bytes of batches that are made one transaction, which has at least one batch (8 MiB) and the states of their senders besides; the
// coordinator takes 24 MiB.
constexpr size_t max_common_transaction = size_t{12} << 20;

// Registers at ctdbd. What session the process belongs to has to be asked after that: then it is this one's, or the connection ends.
// `database` must be attached before the first commit.
Result<std::unique_ptr<CommonDatabase>> open_common_database(loop::Loop& loop, const std::string& socket_path, const std::string& database);

}  // namespace Atoll::ctdb
