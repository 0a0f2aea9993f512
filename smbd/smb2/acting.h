// Whose rights the main thread uses while it serves a request.
#pragma once

#include "smbd/smb2/request.h"

namespace Atoll::smb2 {

// The thread acts as the tree connect's user from now on. ACCESS_DENIED if this process may not act as him (it runs unprivileged and the
// account maps to another uid).
[[nodiscard]] NtStatus act_as_user(const Request& request);

}  // namespace Atoll::smb2
