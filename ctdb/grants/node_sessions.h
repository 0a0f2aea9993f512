// What a process knows of the sessions of nodes (docs/cluster.md, "Words"): its own node's from shared memory, others' from the view that
// ctdbd had when it was asked last. Main thread only.
#pragma once

#include <map>
#include <memory>

#include "ctdb/client/node.h"
#include "tdb/grants/home_records.h"

namespace Atoll::ctdb {

class NodeSessions final : public grants::Nodes {
 public:
    explicit NodeSessions(std::shared_ptr<Node> node) : node_(std::move(node)) {}

    // The session in which this process began; 0 once the node serves no longer in it. No system call after the first.
    [[nodiscard]] grants::NodeSession self() const override;
    // A session that is not in the view has ended, if the view is not older than it.
    [[nodiscard]] bool ended(const grants::NodeSession& who) const override;
    // Asks ctdbd for its view. Blocks for the answer.
    Result<void> refresh();

 private:
    std::shared_ptr<Node> node_;
    mutable Session own_ = 0;
    uint64_t view_ = 0;
    std::map<Pnn, Session> sessions_;  // of its members
};

}  // namespace Atoll::ctdb
