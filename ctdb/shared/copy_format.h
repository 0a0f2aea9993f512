// A node's copy of a record as it stands in the file of its database: rsn u64, sequence u64, holder u64, bits u8 (1: dmaster, 2: wanted,
// 4: delegated), the value;
// little-endian. Each process of the node that locks records writes it, so whoever reads it takes nothing on trust.
#pragma once

#include "base/buffer.h"
#include "ctdb/core/shared_state.h"

namespace Atoll::ctdb {

constexpr size_t copy_head_size = 25;

// False: it is none.
bool read_copy_head(Bytes stored, CopyHead& head);
bool read_copy(Bytes stored, Copy& copy);
// Of one that read_copy_head() has taken.
inline Bytes value_of_copy(Bytes stored) { return stored.subspan(copy_head_size); }

// Replaces `out`; `value` is not part of it.
void write_copy(const CopyHead& head, Bytes value, Buffer& out);

}  // namespace Atoll::ctdb
