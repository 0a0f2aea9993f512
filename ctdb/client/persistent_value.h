// One value that all nodes of the cluster agree on, in a persistent database (docs/cluster.md, "Persistent databases").
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "ctdb/client/client.h"

namespace Atoll::ctdb {

// The record's value; where it has none yet, `first` becomes it, on all nodes and durably, unless another node was first. Makes the
// database if need be. Blocks: a few messages between nodes, and a sync where it is written. Code::busy: this node serves no longer, or
// the database is not open yet.
Result<std::string> agree_on_value(DaemonConnection& daemon, const std::string& database, std::string_view key, std::string_view first);

}  // namespace Atoll::ctdb
