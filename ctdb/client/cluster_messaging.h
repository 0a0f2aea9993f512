// Messages between the processes of all nodes (tdb/messaging/messaging.h): those of this node go from process to process as without a
// cluster, others by ctdbd to that of the receiver's node.
//
// self() must name the node (ServerId::node): a process of another node answers to it. To another node a message has at most
// limits::max_cluster_message bytes (Code::invalid), and what is sent before this process ends may be lost, even by send_at_once. Its
// failures are told to failed(): Code::dead, the process or its node's session has ended; Code::busy, it may not have come, since the
// connection between the nodes broke or the receiver is behind.
#pragma once

#include "ctdb/client/node.h"
#include "tdb/messaging/messaging.h"

namespace Atoll::ctdb {

struct MessagingEvents {
    // All processes of that node's last session have ended.
    std::function<void(uint32_t node)> node_lost;
    // The format level at which all write (Node::level()) has risen.
    std::function<void()> level_rose;
    // ctdbd has ended, or this node is to serve no longer: nothing reaches other nodes any more.
    std::function<void()> cut_off;
};

// `local` is this process's, and already made with the id that it has in the cluster. Code::dead: no ctdbd.
Result<std::unique_ptr<messaging::Messaging>> make_cluster_messaging(loop::Loop& loop, std::unique_ptr<messaging::Messaging> local,
                                                                     const std::string& socket_path, MessagingEvents events);

// The same as Messaging::exists, for who has no mailbox. Blocks.
bool process_exists(Node& node, const messaging::ServerId& id);

}  // namespace Atoll::ctdb

namespace Atoll::limits {

constexpr size_t max_cluster_message = protocol::MAX_PAYLOAD;

}  // namespace Atoll::limits
