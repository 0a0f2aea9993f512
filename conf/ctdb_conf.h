// The configuration of a cluster's node, in the layout that administrators have (ctdb.conf(5), ctdb(7)): a base directory with ctdb.conf,
// `nodes`, `public_addresses`, events/ and run/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace Atoll::conf {

struct CtdbConf {
    // [logging]
    int log_level = 2;     // of base/log.h: ERROR 0, WARNING 1, NOTICE 2, INFO 3, DEBUG 10
    std::string log_file;  // of `location = file:NAME`
    // [cluster]
    std::string cluster_lock;      // a file, or "!helper arguments"; empty: none
    std::string cluster_register;  // what stands beside the lock; by default the lock's file and ".register"
    std::string node_address;      // empty: the first of `nodes` that this machine has
    bool leader_capability = true;
    // [database]
    std::string volatile_directory;
    std::string persistent_directory;
    std::string state_directory;
    bool tdb_mutexes = true;
    // [event]
    std::string debug_script;
    // [failover]
    bool failover_disabled = false;
    // [legacy]
    bool start_as_stopped = false;
    bool start_as_disabled = false;
    bool realtime_scheduling = true;
    bool lmaster_capability = true;
};

// A line of `nodes`; its number, from 0, is the node's. A line that is commented out keeps its number and is no node.
struct ClusterNode {
    uint32_t pnn = 0;
    std::string address;
};

struct ClusterNodes {
    std::vector<ClusterNode> live;
    uint32_t deleted = 0;  // lines that are commented out
};

// A line of `public_addresses`: "10.1.1.1/24 eth0,eth1".
struct PublicAddress {
    std::string address;
    unsigned mask = 0;
    std::vector<std::string> interfaces;
};

// Where a node keeps what. With CTDB_BASE everything is below that directory, so that several nodes can be on one machine.
struct CtdbPaths {
    std::string base;    // "/etc/ctdb"
    std::string run;     // of socket and PID file
    std::string socket;  // CTDB_SOCKET, or run/ctdbd.socket
    std::string pid_file;

    [[nodiscard]] std::string shared_memory() const { return run + "/ctdbd.shared"; }  // of ctdbd and who uses the databases
};
CtdbPaths ctdb_paths();  // from the environment

// The text of ctdb.conf. Relative defaults are those of `paths`. Code::invalid names file and line: what is not known is refused.
Result<CtdbConf> parse_ctdb_conf(std::string_view text, const std::string& file, const CtdbPaths& paths);
Result<ClusterNodes> parse_nodes(std::string_view text, const std::string& file);
Result<std::vector<PublicAddress>> parse_public_addresses(std::string_view text, const std::string& file);

// The files of `paths.base`. There must be `nodes`; a missing ctdb.conf or public_addresses is an empty one.
struct CtdbFiles {
    CtdbConf conf;
    ClusterNodes nodes;
    std::vector<PublicAddress> public_addresses;
};
Result<CtdbFiles> load_ctdb_files(const CtdbPaths& paths);
Result<ClusterNodes> load_nodes(const CtdbPaths& paths);

// The name of a log level as ctdb's tools have it, and back: nullopt if it is none.
std::optional<int> log_level_named(std::string_view name);
const char* name_of_log_level(int level);

}  // namespace Atoll::conf
