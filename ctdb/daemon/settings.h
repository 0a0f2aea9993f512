// What a daemon is told when it starts.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "conf/ctdb_conf.h"
#include "ctdb/core/types.h"
#include "ctdb/daemon/tunables.h"

namespace Atoll::ctdb {

constexpr uint16_t node_port = 4379;  // of every node, at its address

struct Settings {
    conf::CtdbPaths paths;
    conf::CtdbConf conf;
    std::vector<conf::ClusterNode> nodes;
    uint32_t deleted_nodes = 0;  // lines of `nodes` that are commented out
    std::vector<conf::PublicAddress> public_addresses;
    Tunables tunables;
    Pnn me = 0;
    std::string address;
    uint64_t incarnation = 0;
    uint64_t cluster = 0;                    // protocol::hello::cluster
    uint64_t other_mode = 0;                 // what that would be if there were a cluster lock where there is none, and none where there is
    std::optional<protocol::ballot> ballot;  // what the node's disk has where there is no cluster lock
    uint32_t level = 1;                      // the format level that the cluster had when the node last heard

    // There is no cluster lock: a majority of the nodes stands for it.
    [[nodiscard]] bool by_majority() const { return conf.cluster_lock.empty(); }
    // The nodes from now on.
    void set_nodes(conf::ClusterNodes list);
    [[nodiscard]] const std::string* address_of(Pnn pnn) const;
    [[nodiscard]] Pnn node_at(const std::string& address) const;  // no_node: it is not listed
};

// Reads the files, finds which node this is, and counts its start.
// Code::unsupported: the cluster writes at a newer format level than this program reads.
Result<Settings> load_settings(const conf::CtdbPaths& paths);

// For the next start: the cluster has this format level now.
Result<void> note_format_level(const Settings& settings, uint32_t level);

}  // namespace Atoll::ctdb
