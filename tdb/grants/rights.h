// What a node may do to a file without asking other nodes, and what excludes what between two nodes (docs/grants.md). Pure.
#pragma once

#include <cstdint>

#include "tdb/grants/grants.idl.h"

namespace Atoll::grants {

inline constexpr uint8_t read_lease = 1, write_lease = 4;
inline constexpr unsigned reads = 1, writes = 2, deletes = 4;  // access, and the same bits of what is shared

// The bit of `rights::opens` of opens with that access, of which others may do what is shared.
constexpr uint64_t open_bit(unsigned access, unsigned shared) { return uint64_t{1} << ((access & 7) * 8 + (shared & 7)); }

bool empty(const rights& one);
bool contains(const rights& all, const rights& some);
rights merged(const rights& a, const rights& b);
rights without(const rights& all, const rights& lost);
bool intersect(const rights& a, const rights& b);

// What of `theirs`, another node's, a node that is to have `wanted` excludes: that has to be recalled first. A lease W excludes opens and
// change, a lease R change, a lock `unlocked`, a deletion opens, an open those that cannot stand beside it (MS-FSA 2.1.5.1.2.2).
rights in_the_way(const rights& wanted, const rights& theirs);

}  // namespace Atoll::grants
