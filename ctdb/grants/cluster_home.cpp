#include "ctdb/grants/cluster_home.h"

#include <chrono>

#include "base/bytes.h"
#include "base/log.h"
#include "base/random.h"
#include "tdb/grants/limits.h"

namespace Atoll::ctdb {

namespace {

using messaging::ServerId;

constexpr auto nudge = std::chrono::milliseconds(limits::grant_nudge_milliseconds);

// 0 means that there is none.
uint64_t new_stamp() { return random_u64() | 1; }

}  // namespace

GrantsBase::GrantsBase(std::shared_ptr<Node> node, tdb::Database& records) : nodes_(std::move(node)), records_(records, nodes_, new_stamp) {
    ATOLL_ASSERT(records.rank() == grants_rank);
}

ClusterGrants::ClusterGrants(std::shared_ptr<Node> node, tdb::Database& records, tdb::Database& held, messaging::Messaging& messaging)
    : GrantsBase(std::move(node), records),
      messaging_(messaging),
      held_(held),
      home_(records_, nodes_, [this](Bytes message) { tell_agent(message); }),
      node_grants_(held, home_) {}

// If there is none just now, the next one finds the question in the node's own records.
void ClusterGrants::tell_agent(Bytes message) {
    Buffer name;
    const auto found = held_.fetch(as_bytes(agent_key), name);
    const auto agent = found && *found ? messaging::parse_server_id(as_text(name.bytes())) : std::nullopt;
    if (!agent) return log_notice("grants: the node has no agent");
    if (auto sent = messaging_.send(*agent, message_grants, message); !sent) log_notice("grants: {}", sent.error().message());
}

ClusterGrantsAgent::ClusterGrantsAgent(std::shared_ptr<Node> node, tdb::Database& records, tdb::Database& held, loop::Loop& loop,
                                       messaging::Messaging& messaging)
    : GrantsBase(std::move(node), records),
      messaging_(messaging),
      held_(held),
      agent_(
          records_, nodes_, [this](uint32_t to, Bytes message) { send(to, message); }, random_u64()),
      node_grants_(held, agent_),
      timer_(loop, [this] { tick(); }) {}

ClusterGrantsAgent::~ClusterGrantsAgent() { messaging_.receive(message_grants, {}); }

Result<void> ClusterGrantsAgent::begin(grants::Recalls& recalls) {
    if (auto known = nodes_.refresh(); !known) return known;
    messaging_.receive(message_grants, [this](messaging::Message& message) {
        agent_.receive(message.payload);
        mind();
    });
    // It is no file's, and not one of those that the agent looks through.
    if (auto removed = held_.remove(as_bytes(agent_key)); !removed) return removed.failure();
    agent_.begin(node_grants_, recalls, held_);
    mind();
    return held_.store(as_bytes(agent_key), as_bytes(to_string(messaging_.self())));
}

void ClusterGrantsAgent::node_lost() { tick(); }

// Should it be lost, it is said again.
void ClusterGrantsAgent::send(uint32_t node, Bytes message) {
    const ServerId agents(node, 0, static_cast<uint64_t>(grants_agent));
    if (auto sent = messaging_.send(agents, message_grants, message); !sent) log_debug("grants: {}", sent.error().message());
}

void ClusterGrantsAgent::tick() {
    if (auto known = nodes_.refresh(); !known) log_error("grants: {}", known.error().message());
    agent_.tick();
    mind();
}

void ClusterGrantsAgent::mind() {
    if (agent_.idle()) return timer_.cancel();
    if (!timer_.is_set()) timer_.set_in(nudge);
}

}  // namespace Atoll::ctdb
