// The commands about public addresses, interfaces and tickles.
#pragma once

#include "ctdb/tool/commands.h"

namespace Atoll::ctdb {

std::vector<Command> address_commands();

}  // namespace Atoll::ctdb
