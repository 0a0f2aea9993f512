// The commands about whole volatile databases and about TDB files: cattdb, detach, setdbreadonly, setdbsticky, tfetch and tstore.
#pragma once

#include "ctdb/tool/commands.h"

namespace Atoll::ctdb {

std::vector<Command> database_commands();

}  // namespace Atoll::ctdb
