// catdb, backupdb, restoredb and dumpdbbackup.
#pragma once

#include "ctdb/tool/commands.h"

namespace Atoll::ctdb {

std::vector<Command> backup_commands();

}  // namespace Atoll::ctdb
