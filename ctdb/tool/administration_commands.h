// The commands about tunables, roles, recovery, the list of nodes and what ctdbd is made of.
#pragma once

#include "ctdb/tool/commands.h"

namespace Atoll::ctdb {

std::vector<Command> administration_commands();

}  // namespace Atoll::ctdb
