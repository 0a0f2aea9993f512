// What a node's disk has of the persistent databases, as the core reads it. It is written by the actions WritePersistent only, each as a
// whole or not at all.
#pragma once

#include <functional>
#include <vector>

#include "ctdb/core/types.h"

namespace Atoll::ctdb {

using protocol::holding;
using TransactionId = protocol::transaction_id;
using Writes = std::vector<protocol::record_write>;
using DatabaseId = uint32_t;

class PersistentStore {
 public:
    virtual ~PersistentStore() = default;
    // Gone when the node starts again. Others are persistent.
    virtual bool replicated(DatabaseId) const { return false; }
    // By rising database; asked once, at the start.
    virtual std::vector<holding> holdings() const = 0;
    // The writes of the transaction holding::id; only while holding::has_last.
    virtual Writes last_writes(DatabaseId database) const = 0;
    // Every record, with the last transaction's writes.
    virtual void each(DatabaseId database, const std::function<void(const protocol::record_write&)>& visit) const = 0;
};

// With no synced member only replicated databases are gone on with.
inline bool without_synced(const protocol::view& view) { return view.persistent.coordinator == no_node; }
// The same as long as the persistent epoch.
inline Pnn coordinator_of(const protocol::view& view) {
    return without_synced(view) && !view.members.empty() ? view.members.front().pnn : view.persistent.coordinator;
}

// What a write does to a database on the disk.
enum class PersistentWrite : uint8_t {
    add,      // the last transaction becomes one with the rest, and these writes are the last
    drop,     // the last transaction is not there any more
    replace,  // the records are these
};

}  // namespace Atoll::ctdb
