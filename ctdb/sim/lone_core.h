// One core and what it works on, for tests in which the other nodes are only what is said of them.
#pragma once

#include <vector>

#include "ctdb/core/core.h"
#include "ctdb/sim/disk.h"
#include "ctdb/sim/memory_store.h"

namespace Atoll::ctdb::sim {

struct LoneCore {
    explicit LoneCore(const Config& config) : store(config.slots), gates(config.slots), shared(lease, gates, store), core(config, shared, disk) {}

    MemoryStore store;
    NodeLease lease;
    std::vector<SlotGate> gates;
    SharedState shared;
    Disk disk;
    Core core;
};

}  // namespace Atoll::ctdb::sim
