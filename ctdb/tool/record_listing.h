// The records of a database as nodes list them.
#pragma once

#include "ctdb/tool/backup_file.h"
#include "ctdb/tool/commands.h"

namespace Atoll::ctdb {

enum class Copies { of_dmaster, all };

// What node `pnn` has of a volatile database. A copy whose dmaster is another node, which this one does not know, has the dmaster NO_NODE.
int append_records_of(Call& call, uint32_t pnn, const std::string& database, Copies copies, std::vector<DumpedRecord>& out);
// With the sequence number as Samba keeps it, once there is one.
Result<std::vector<DumpedRecord>, int> persistent_records(Call& call, const std::string& name);

}  // namespace Atoll::ctdb
