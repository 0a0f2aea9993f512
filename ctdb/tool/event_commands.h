// `ctdb event`: what events gave, running one by hand, which scripts there are and which run.
#pragma once

#include "ctdb/tool/commands.h"

namespace Atoll::ctdb {

std::vector<Command> event_commands();

}  // namespace Atoll::ctdb
