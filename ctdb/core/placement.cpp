#include "ctdb/core/placement.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>

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

namespace {

bool able(const Placed& item, Pnn pnn) { return std::binary_search(item.able.begin(), item.able.end(), pnn); }

using Load = std::map<Pnn, size_t>;

Pnn least_of(const std::vector<Pnn>& nodes, const Load& load) {
    return *std::min_element(nodes.begin(), nodes.end(), [&](Pnn a, Pnn b) { return load.at(a) < load.at(b); });
}

// The items of a chain that takes one from `from` and gives one to the node that has fewest, at least two fewer: each goes where the next
// comes from.
struct Step {
    size_t item = 0;
    Pnn from = no_node;
};
std::optional<std::pair<Pnn, std::map<Pnn, Step>>> find_chain(Pnn from, const std::vector<Placed>& items, const std::vector<Pnn>& placed,
                                                              const Load& load) {
    std::map<Pnn, Step> reached{{from, Step{}}};
    Pnn target = from;
    for (std::deque<Pnn> queue{from}; !queue.empty(); queue.pop_front()) {
        for (size_t item = 0; item < items.size(); item++) {
            if (placed[item] != queue.front()) continue;
            for (const Pnn next : items[item].able) {
                if (!reached.emplace(next, Step{item, queue.front()}).second) continue;
                if (load.at(next) < load.at(target)) target = next;
                queue.push_back(next);
            }
        }
    }
    if (load.at(target) + 2 > load.at(from)) return std::nullopt;
    return std::pair(target, std::move(reached));
}

bool improve(const std::vector<Placed>& items, std::vector<Pnn>& placed, Load& load) {
    std::vector<Pnn> fullest;
    for (const auto& [pnn, count] : load) fullest.push_back(pnn);
    std::stable_sort(fullest.begin(), fullest.end(), [&](Pnn a, Pnn b) { return load.at(a) > load.at(b); });
    for (const Pnn from : fullest) {
        const auto chain = find_chain(from, items, placed, load);
        if (!chain) continue;
        load[from]--;
        load[chain->first]++;
        for (Pnn at = chain->first; at != from;) {
            const Step& step = chain->second.at(at);
            placed[step.item] = at;
            at = step.from;
        }
        return true;
    }
    return false;
}

}  // namespace

// Each improvement lessens the sum of the squares of the loads, so there is an end of them.
std::vector<Pnn> place(const std::vector<Placed>& items, bool balance) {
    std::vector<Pnn> placed(items.size(), no_node);
    Load load;
    for (const Placed& item : items) {
        for (const Pnn pnn : item.able) load.try_emplace(pnn, 0);
    }
    for (size_t index = 0; index < items.size(); index++) {
        if (!able(items[index], items[index].current)) continue;
        placed[index] = items[index].current;
        load[placed[index]]++;
    }
    for (size_t index = 0; index < items.size(); index++) {
        if (placed[index] != no_node || items[index].able.empty()) continue;
        placed[index] = least_of(items[index].able, load);
        load[placed[index]]++;
    }
    while (balance && improve(items, placed, load)) {
    }
    return placed;
}

}  // namespace Atoll::ctdb
