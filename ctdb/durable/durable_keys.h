// What the nodes' durable state is called in the cluster: one persistent database (docs/cluster.md, "Persistent databases") holds the durable
// databases of docs/durable.md that all nodes have in common, so that a batch of several of them is one transaction. A record's key there is
// its database's name, a zero byte, and its key.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/guid.h"
#include "ctdb/core/types.h"

namespace Atoll::ctdb {

constexpr const char* durable_database = "smbXsrv_durable.tdb";

// Where the committer of this node listens for processes of this session. Whoever outlives its session finds nobody there: what it had
// wanted to say is not taken for something that is said in the next one.
std::string durable_socket_path(const std::string& lock_directory, Session session);
// Removes those of other sessions.
void remove_other_durable_sockets(const std::string& lock_directory, Session session);

// With an empty key: what all keys of that database begin with.
Value durable_key(std::string_view database, Bytes key);
// Of what a committer keeps of a sender: these of each node are its own.
Value sender_key(Pnn node, const Guid& sender);
Value senders_prefix(Pnn node);

}  // namespace Atoll::ctdb
