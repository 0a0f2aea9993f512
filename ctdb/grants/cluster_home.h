// Grants between the nodes of a cluster (docs/grants.md): tdb/grants over a ClusterDatabase and the messages of ctdbd. Each process that
// opens files has a ClusterGrants; the one that is the node's agent has a ClusterGrantsAgent instead, of which each node has one.
//
// `messaging` reaches processes of all nodes, and those of the agent's class are the agents. Main thread only.
#pragma once

#include "base/loop/loop.h"
#include "ctdb/client/cluster_database.h"
#include "ctdb/grants/node_sessions.h"
#include "tdb/grants/home.h"
#include "tdb/messaging/messaging.h"

namespace Atoll::ctdb {

constexpr messaging::ProcessClass grants_agent = messaging::ProcessClass::housekeeper;
constexpr const char* grants_database = "grants_home.tdb";
constexpr tdb::Rank grants_rank = tdb::Rank::open;
constexpr const char* agent_key = "agent";  // in the node's own records: the agent's ServerId as text
constexpr uint32_t message_grants = 48;     // of tdb/messaging/message_types.h; payload: grant_notices

// Of both: the records, and what the process knows of nodes.
class GrantsBase {
 public:
    GrantsBase(std::shared_ptr<Node> node, tdb::Database& records);
    NodeSessions& nodes() { return nodes_; }

 protected:
    NodeSessions nodes_;
    grants::HomeRecords records_;
};

class ClusterGrants final : public GrantsBase {
 public:
    // `records`: grants_database, of grants_rank. `held`: node-local, of Rank::index.
    ClusterGrants(std::shared_ptr<Node> node, tdb::Database& records, tdb::Database& held, messaging::Messaging& messaging);
    [[nodiscard]] grants::NodeGrants& node_grants() { return node_grants_; }

 private:
    void tell_agent(Bytes message);

    messaging::Messaging& messaging_;
    tdb::Database& held_;
    grants::ProcessHome home_;
    grants::NodeGrants node_grants_;
};

class ClusterGrantsAgent final : public GrantsBase {
 public:
    ClusterGrantsAgent(std::shared_ptr<Node> node, tdb::Database& records, tdb::Database& held, loop::Loop& loop,
                       messaging::Messaging& messaging);
    ~ClusterGrantsAgent();
    ClusterGrantsAgent(const ClusterGrantsAgent&) = delete;
    ClusterGrantsAgent& operator=(const ClusterGrantsAgent&) = delete;

    [[nodiscard]] grants::NodeGrants& node_grants() { return node_grants_; }
    // From now on recalls are passed to `recalls`, which uses node_grants(). Before clients are served.
    Result<void> begin(grants::Recalls& recalls);
    // MessagingEvents::node_lost: who waits for that node waits no longer.
    void node_lost();
    [[nodiscard]] const grants::HomeAgent::Counters& counters() const { return agent_.counters(); }

 private:
    void send(uint32_t node, Bytes message);
    void tick();
    void mind();

    messaging::Messaging& messaging_;
    tdb::Database& held_;
    grants::HomeAgent agent_;
    grants::NodeGrants node_grants_;
    loop::Timer timer_;
};

}  // namespace Atoll::ctdb
