// Who locates which slot, and who holds which public address: balanced, and moving as little as can be.
#pragma once

#include <vector>

#include "ctdb/core/types.h"

namespace Atoll::ctdb {

// The new place of each item: one of `nodes` (rising), or no_node if there are none. No two nodes differ by more than one item. An item
// moves only if its node is not among `nodes`, or has more than its share.
std::vector<Pnn> place(const std::vector<Pnn>& current, const std::vector<Pnn>& nodes);

// An item that not every node can have.
struct Placed {
    Pnn current = no_node;
    std::vector<Pnn> able;  // rising
};
// The new place of each: one of `able`, or no_node if there is none. As balanced as it can be: no item could go, nor a chain of items one
// step on each, from a node to one that has two fewer. An item stays where it is unless its node is not able, or balance needs it.
// Without `balance` only what has no place yet, or has lost it, goes anywhere.
std::vector<Pnn> place(const std::vector<Placed>& items, bool balance = true);

}  // namespace Atoll::ctdb
