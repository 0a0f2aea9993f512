// The commands of the ctdb tool about persistent databases.
#pragma once

#include "ctdb/tool/commands.h"

namespace Atoll::ctdb {

std::vector<Command> persistent_commands();

}  // namespace Atoll::ctdb
