// In a cluster: what is open of directories stands in databases of each node, under grants (docs/grants.md), so that the share's root,
// which everybody opens, is opened without a message between nodes. One of them a process; the housekeeper's is the node's agent.
#pragma once

#include <memory>
#include <string>

#include "base/loop/loop.h"
#include "base/result.h"
#include "tdb/database.h"
#include "tdb/grants/grants.h"
#include "tdb/messaging/messaging.h"
#include "tdb/watch/watches.h"

namespace Atoll::ctdb {
class ClusterGrants;
class ClusterGrantsAgent;
class Node;
}  // namespace Atoll::ctdb

namespace Atoll::server {

class DirectoryGrants {
 public:
    // `node` is this process's. The databases of the node are in `lock_directory`.
    static Result<std::unique_ptr<DirectoryGrants>> open(const std::shared_ptr<ctdb::Node>& node, const std::string& lock_directory);
    ~DirectoryGrants();
    // Then, once: of a process, or, with `loop`, of the agent. Those that are given must be gone before this is.
    void join(messaging::Messaging& messaging, watch::Watches& watches, loop::Loop* agents_loop = nullptr);

    [[nodiscard]] tdb::Database& directories() { return *directories_; }
    [[nodiscard]] grants::NodeGrants& node_grants();

    // Of the agent: before clients are served, and when a node's session has ended.
    Result<void> begin(grants::Recalls& recalls);
    void node_lost();

 private:
    DirectoryGrants() = default;

    std::shared_ptr<ctdb::Node> node_;
    std::unique_ptr<tdb::Database> shared_, held_, directories_, waiters_;
    std::unique_ptr<ctdb::ClusterGrants> process_;
    std::unique_ptr<ctdb::ClusterGrantsAgent> agent_;
};

}  // namespace Atoll::server
