// A process's part in the cluster (docs/cluster.md), with `clustering = yes`: the databases and messages of all nodes, and the look at
// whether this node still serves. Without it databases and messages are this node's, and it always serves.
//
// A process belongs to one session of its node. When that ends, or ctdbd does, what the process knows is void: it ends at once, without
// another answer to anybody, and leaves it to the other nodes to end what it held. The listener, which is no part of the cluster, starts
// others, and these wait until the node is a member again. Main thread only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/guid.h"
#include "base/loop/loop.h"
#include "base/result.h"
#include "conf/configuration.h"
#include "smbd/server/directory_grants.h"
#include "smbd/xsrv/databases.h"
#include "tdb/committer/durable_store.h"
#include "tdb/messaging/messaging.h"

namespace Atoll::ctdb {
class Node;
}

namespace Atoll::server {

// What the listener knows of the cluster, and its children inherit.
struct ClusterNode {
    std::string socket;   // of this node's ctdbd
    uint32_t number = 0;  // this node's
};

// nullopt: `clustering = no`. Waits for a while for ctdbd to have made this node a member. The error says what to do.
Result<std::optional<ClusterNode>> find_cluster_node(const conf::GlobalConf& conf);

// What NEGOTIATE calls the server: all nodes the same. Made by the first node that starts, and kept by the cluster.
Result<Guid> cluster_server_guid(const ClusterNode& node);

// A new id for a process of this node.
messaging::ServerId make_server_id(const std::optional<ClusterNode>& node, messaging::ProcessClass process_class);

// How a process ends whose node serves no longer: another one may be able to go on (EX_TEMPFAIL of sysexits.h).
constexpr int exit_service_ended = 75;
[[nodiscard]] int exit_status_after(const Error& error);

struct MembershipEvents {
    // A session of that node has ended, and with it all its processes.
    std::function<void(uint32_t node)> node_lost;
    // idl::written_level() is another now.
    std::function<void()> level_rose;
};

class Membership {
 public:
    // In a freshly forked process, as root: `databases` as the listener had them open become its own, or, in a cluster, are opened. Waits
    // until the node is a member; the process ends if `life` hangs up meanwhile. Code::unsupported: the cluster is of a newer format level.
    static Result<std::unique_ptr<Membership>> join(const std::optional<ClusterNode>& node, const conf::GlobalConf& conf, int life,
                                                    xsrv::Databases& databases);
    // The same without open state, of a node of a cluster, for the committer.
    static Result<std::unique_ptr<Membership>> attend(const ClusterNode& node, int life);
    ~Membership();

    [[nodiscard]] bool clustered() const { return node_ != nullptr; }
    // What of open state is this node's, under grants; null without a cluster. Once; given to one who lives as long as the databases.
    std::unique_ptr<DirectoryGrants> take_grants() { return std::move(grants_); }
    // Before the loop runs: from now on the process ends when the node serves no longer, at once if it does not now. What happens in the
    // cluster it is told on the loop.
    std::unique_ptr<messaging::Messaging> begin(loop::Loop& loop, messaging::MessageSocket mailbox, MembershipEvents told = {});
    // Before an answer leaves: ends the process if the node serves no longer. A look into shared memory.
    void need_service() const;
    // Part of begin(), for who has no messages to or from other nodes.
    void end_with_service(loop::Loop& loop);

    // In a cluster: the one to which this process belongs.
    [[nodiscard]] uint64_t session() const;
    // Before the first use of the durable state that all nodes have in common. They make it; they may be busy with a change of members, and
    // are waited for.
    [[nodiscard]] Result<void> attach_durable_state() const;
    // What persistent handles stand in: this node's own durable state, or what all nodes of the cluster have in common.
    [[nodiscard]] committer::DurableStore durable_store(const conf::GlobalConf& conf, loop::Loop& loop) const;

 private:
    Membership() = default;
    Result<void> wait_until_member(int life);
    void lease_is_over();
    [[noreturn]] static void end(const std::string& why);

    std::string socket_;
    std::shared_ptr<ctdb::Node> node_;  // null: no cluster
    std::unique_ptr<loop::FdWatch> watch_;
    std::unique_ptr<loop::Timer> timer_;
    std::unique_ptr<DirectoryGrants> grants_;
};

}  // namespace Atoll::server
