// Giving up what preauth must not have.
#pragma once

#include "base/result.h"

namespace Atoll::server {

// As root: becomes `nobody` for good (real, effective and saved ids, no groups), in an empty root directory, without any capability, and
// none can be had again. As another user: only the last. To be called before the process has a second thread.
Result<void> give_up_privileges();

}  // namespace Atoll::server
