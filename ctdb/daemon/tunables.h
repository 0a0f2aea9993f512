// The parameters of ctdb.tunables (ctdb-tunables(7)) that mean something here, with their defaults.
#pragma once

#include <chrono>
#include <string>

#include "base/result.h"

namespace Atoll::ctdb {

struct Tunables {
    std::chrono::seconds monitor_interval{15};
    std::chrono::seconds event_script_timeout{30};
    unsigned monitor_timeout_count = 20;  // monitor events in a row that may time out before the node is unhealthy
};

// NAME=VALUE a line; what ctdb knows and this daemon has no use for is taken and does nothing. A missing file is an empty one.
Result<Tunables> load_tunables(const std::string& path);

}  // namespace Atoll::ctdb
