// Which values of the cluster's databases are copied to a second node before whoever stores them goes on (docs/cluster.md, "Mirrored
// records"): what a durable, resilient or persistent open stands in. Plain opens, and directories, never pay for that.
#pragma once

#include "base/bytes.h"

namespace Atoll::xsrv {

bool open_outlives_node(Bytes value);    // of smbXsrv_open_global.tdb
bool entries_outlive_node(Bytes value);  // of locking.tdb
bool locks_outlive_node(Bytes value);    // of brlock.tdb
bool index_outlives_node(Bytes value);   // of smbXsrv_open_index.tdb, which has persistent opens alone

}  // namespace Atoll::xsrv
