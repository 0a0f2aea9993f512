// `ctdb reloadnodes`: nodes are added to the cluster and removed from it in service, as ctdb(1) says.
#pragma once

#include "ctdb/tool/commands.h"

namespace Atoll::ctdb {

int run_reloadnodes(Call& call);

}  // namespace Atoll::ctdb
