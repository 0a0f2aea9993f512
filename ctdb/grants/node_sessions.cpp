#include "ctdb/grants/node_sessions.h"

#include "base/log.h"
#include "ctdb/protocol/cluster.idl.h"

namespace Atoll::ctdb {

grants::NodeSession NodeSessions::self() const {
    if (own_ == 0) {
        if (auto connected = node_->connect(); !connected) return {};
        if (node_->serves()) own_ = node_->session();
    }
    return {node_->pnn(), own_ != 0 && node_->serves_in(own_) ? own_ : 0};
}

bool NodeSessions::ended(const grants::NodeSession& who) const {
    if (view_ < who.session) return false;
    const auto now = sessions_.find(who.node);
    return now == sessions_.end() || now->second != who.session;
}

Result<void> NodeSessions::refresh() {
    protocol::request request;
    request.node = no_node;
    request.op = protocol::operation::STATE;
    request.seconds = 1;
    const auto reply = node_->ask(request);
    if (!reply) return reply.failure();
    const auto view = idl::decode<protocol::view>(Bytes(reply->data));
    if (!view) return view.failure();
    if (view->members.empty() || view->id < view_) return {};  // the node is no member itself, and knows nothing of others
    view_ = view->id;
    sessions_.clear();
    for (const protocol::member& member : view->members) sessions_[member.pnn] = member.session;
    return {};
}

}  // namespace Atoll::ctdb
