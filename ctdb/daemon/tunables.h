// The tunables of ctdb-tunables(7) that mean something here: of the file ctdb.tunables, and of `ctdb setvar` while ctdbd runs. They hold
// for their node; those about bans and addresses for what it does as leader, so all nodes should have the same.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace Atoll::ctdb {

struct Tunables {
    uint32_t monitor_interval = 15;        // seconds
    uint32_t tickle_update_interval = 20;  // seconds from one telling of all connections to the next
    uint32_t event_script_timeout = 30;    // seconds
    uint32_t monitor_timeout_count = 20;   // monitor events in a row that may time out before the node is unhealthy
    uint32_t recovery_ban_period = 300;    // seconds
    uint32_t enable_bans = 1;              // who keeps losing its session is banned
    uint32_t no_ip_failback = 0;           // addresses do not move for balance
    uint32_t rec_lock_latency_ms = 1000;   // a look at the cluster lock that lasts longer is logged; 0: none is
    uint32_t stat_history_interval = 1;    // seconds
    uint32_t allow_client_db_attach = 1;   // databases can be attached
    uint32_t hopcount_make_sticky = 50;    // Policy::sticky_moves
    uint32_t sticky_duration = 600;        // seconds; Policy::sticky_for
    uint32_t sticky_pindown = 200;         // milliseconds; Policy::sticky_pin
    uint32_t no_ip_takeover = 0;           // the address of a node that may not have it goes to nobody
};

struct Tunable {
    const char* name;
    uint32_t Tunables::*value;
    uint32_t least;
};
// In the order of `ctdb listvars`.
std::span<const Tunable> known_tunables();

// Without regard to case. Code::unsupported: ctdb has it, and it means nothing here; Code::not_found: nobody has. The text says so.
Result<Tunable> find_tunable(std::string_view name);
// As find_tunable; Code::invalid: the value cannot be.
Result<void> set_tunable(Tunables& tunables, std::string_view name, uint32_t value);

// NAME=VALUE a line; what means nothing here is logged and left out. A missing file is an empty one.
Result<Tunables> load_tunables(const std::string& path);

}  // namespace Atoll::ctdb
