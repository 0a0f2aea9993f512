// Reads a persistent database of the cluster by asking this node's ctdbd: what is answered was committed on all nodes. While a transaction is
// being decided, or the databases are closed since the members have changed, it waits, limits::daemon_patience at most (Code::busy).
//
// Connects when first used. Main thread; not across a fork.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "ctdb/client/client.h"
#include "ctdb/core/types.h"
#include "tdb/committer/durable_store.h"

namespace Atoll::ctdb {

class PersistentReader final : public committer::DurableReader {
 public:
    PersistentReader(std::string socket_path, std::string database) : socket_path_(std::move(socket_path)), database_(std::move(database)) {}

    // Makes the database, on all nodes, if it is not there.
    Result<void> attach();
    // How many transactions it has seen.
    Result<uint64_t> sequence();
    // False: no such record.
    Result<bool> fetch(Bytes key, Buffer& value);
    // Records whose keys begin so, by rising key; keys are told without the prefix. One that is there throughout is seen once. The visitor may
    // use the reader.
    Result<uint64_t> each(const Value& prefix, tdb::Visitor visitor);

    // The durable database of that name (durable_keys.h).
    Result<bool> read(const std::string& name, Bytes key, tdb::Parser parser) override;
    Result<uint64_t> traverse(const std::string& name, tdb::Visitor visitor) override;
    Result<uint32_t> sequence_number(const std::string& name) override;

 private:
    Result<protocol::reply> ask(protocol::operation what, Bytes key = {});
    Result<protocol::persistent_page> page_behind(Bytes key);

    const std::string socket_path_, database_;
    std::optional<DaemonConnection> connection_;
};

}  // namespace Atoll::ctdb
