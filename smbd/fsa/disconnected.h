// The name under which an open stands in locking.tdb, brlock.tdb and smbXsrv_open_global.tdb while its client is away (docs/design.md,
// "State"): of no process, so that nobody takes it for one that has ended.
#pragma once

#include "tdb/server_id.idl.h"

namespace Atoll::fsa {

inline bool is_disconnected(const tdb::server_id& holder) { return holder.pid == tdb::DISCONNECTED_PID; }
inline tdb::server_id disconnected_holder(uint64_t open_id) { return {tdb::NO_VNN, tdb::DISCONNECTED_PID, open_id}; }

}  // namespace Atoll::fsa
