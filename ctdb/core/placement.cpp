#include "ctdb/core/placement.h"

#include <algorithm>

namespace Atoll::ctdb {
namespace {

size_t index_of(const std::vector<Pnn>& nodes, Pnn pnn) {
    const auto found = std::lower_bound(nodes.begin(), nodes.end(), pnn);
    return found != nodes.end() && *found == pnn ? static_cast<size_t>(found - nodes.begin()) : nodes.size();
}

size_t least(const std::vector<size_t>& load) { return static_cast<size_t>(std::min_element(load.begin(), load.end()) - load.begin()); }

}  // namespace

std::vector<Pnn> place(const std::vector<Pnn>& current, const std::vector<Pnn>& nodes) {
    std::vector<Pnn> placed(current.size(), no_node);
    if (nodes.empty()) return placed;
    std::vector<size_t> load(nodes.size(), 0);
    const size_t share = current.size() / nodes.size();
    size_t over = current.size() % nodes.size();  // so many nodes have one more than the share
    for (size_t item = 0; item < current.size(); item++) {
        const size_t node = index_of(nodes, current[item]);
        if (node == nodes.size()) continue;
        if (load[node] == share && over > 0) {
            over--;
        } else if (load[node] >= share) {
            continue;
        }
        placed[item] = nodes[node];
        load[node]++;
    }
    for (Pnn& pnn : placed) {
        if (pnn != no_node) continue;
        const size_t node = least(load);
        pnn = nodes[node];
        load[node]++;
    }
    return placed;
}

}  // namespace Atoll::ctdb
