#include "ctdb/tool/reload_nodes.h"

#include <fmt/core.h>

#include <algorithm>

#include "ctdb/tool/output.h"

namespace Atoll::ctdb {
namespace {

using protocol::operation;

Result<protocol::reply, int> ask(Call& call, uint32_t node, operation op) {
    protocol::request request;
    request.node = node;
    request.op = op;
    return call.ask(request);
}

const conf::ClusterNode* listed(const conf::ClusterNodes& nodes, uint32_t pnn) {
    const auto found = std::find_if(nodes.live.begin(), nodes.live.end(), [&](const auto& node) { return node.pnn == pnn; });
    return found != nodes.live.end() ? &*found : nullptr;
}

bool same(const conf::ClusterNodes& a, const conf::ClusterNodes& b) {
    const auto equal = [](const auto& x, const auto& y) { return x.pnn == y.pnn && x.address == y.address; };
    return a.deleted == b.deleted && std::equal(a.live.begin(), a.live.end(), b.live.begin(), b.live.end(), equal);
}

bool same_everywhere(Call& call, const conf::ClusterNodes& wanted) {
    for (const auto& node : call.here.nodes) {
        if (!node.connected || node.pnn == call.here.pnn) continue;
        const auto reply = ask(call, node.pnn, operation::NODES_FILE);
        if (!reply) return false;
        const auto theirs = conf::parse_nodes({reinterpret_cast<const char*>(reply->data.data()), reply->data.size()}, "nodes");
        if (theirs && same(*theirs, wanted)) continue;
        complain(fmt::format("ERROR: Nodes file on node {} differs from current node ({})", node.pnn, call.here.pnn));
        return false;
    }
    return true;
}

enum class Change { none, some, impossible };

// `before`: nullptr where the number is not in use; so `after`.
Change compare(uint32_t pnn, const protocol::node_entry* before, const conf::ClusterNode* after) {
    if (before == nullptr && after == nullptr) return Change::none;
    if (before == nullptr) {
        say(fmt::format("Node {} is NEW\n", pnn));
        return Change::some;
    }
    if (after == nullptr) {
        say(fmt::format("Node {} is DELETED\n", pnn));
        if (before->connected) complain(fmt::format("ERROR: Node {} is still connected", pnn));
        return before->connected ? Change::impossible : Change::some;
    }
    if (before->address != after->address) {
        complain(fmt::format("Node {} has changed IP address (was {}, now {})", pnn, before->address, after->address));
        return Change::impossible;
    }
    if (!before->connected) complain(fmt::format("WARNING: Node {} is disconnected. You MUST fix this node manually!", pnn));
    return Change::none;
}

Change compare_all(const protocol::node_state& now, const conf::ClusterNodes& wanted) {
    const size_t before = now.nodes.size() + now.deleted_nodes, after = wanted.live.size() + wanted.deleted;
    Change all = Change::none;
    for (uint32_t pnn = 0; pnn < std::max(before, after); pnn++) {
        const auto found = std::find_if(now.nodes.begin(), now.nodes.end(), [&](const auto& node) { return node.pnn == pnn; });
        const auto* node = found != now.nodes.end() ? &*found : nullptr;
        Change change = Change::impossible;
        if (pnn < after) {
            change = compare(pnn, node, listed(wanted, pnn));
        } else {
            complain(fmt::format("Node {} ({}) missing from nodes file", pnn, node != nullptr ? node->address : "0.0.0.0"));
        }
        all = std::max(all, change);
    }
    return all;
}

}  // namespace

int run_reloadnodes(Call& call) {
    if (call.options.node) {
        complain("Node cannot be specified for command reloadnodes");
        return failure;
    }
    const auto wanted = conf::load_nodes(call.paths);
    if (!wanted) {
        complain(wanted.error().message());
        complain("Failed to read nodes file \"" + call.paths.base + "/nodes\"");
        return failure;
    }
    if (!same_everywhere(call, *wanted)) return failure;
    const Change change = compare_all(call.here, *wanted);
    if (change == Change::none) complain("No change in nodes file, skipping unnecessary reload");
    if (change == Change::impossible) complain("ERROR: Nodes will not be reloaded due to previous error");
    if (change != Change::some) return change == Change::none ? 0 : failure;
    // This node last: what was broken off half way can be done once more.
    for (const auto& node : call.here.nodes) {
        if (!node.connected || node.pnn == call.here.pnn) continue;
        if (const auto done = ask(call, node.pnn, operation::RELOAD_NODES); !done) return done.error();
    }
    const auto done = ask(call, call.here.pnn, operation::RELOAD_NODES);
    return done ? 0 : done.error();
}

}  // namespace Atoll::ctdb
