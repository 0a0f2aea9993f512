// Who locates which slot, and who holds which public address: balanced, and moving as little as can be.
#pragma once

#include <vector>

#include "ctdb/core/types.h"

namespace Atoll::ctdb {

// The new place of each item: one of `nodes` (rising), or no_node if there are none. No two nodes differ by more than one item. An item
// moves only if its node is not among `nodes`, or has more than its share.
std::vector<Pnn> place(const std::vector<Pnn>& current, const std::vector<Pnn>& nodes);

}  // namespace Atoll::ctdb
