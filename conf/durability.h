// Whether smb.conf lets a share's files outlive their clients' connections (smb.conf(5), "durable handles"), and what forbids it.
#pragma once

#include <string_view>

#include "conf/configuration.h"

namespace Atoll::conf {

// The line that keeps durable handles from being granted on the share, as smb.conf(5) has it; "": they are. What others than SMB clients
// would see of an open file, an oplock or a lock goes with the descriptor, which an open whose client is away has not.
inline std::string_view why_not_durable(const ShareConf& share) {
    if (!share.durable_handles) return "durable handles = no";
    if (share.kernel_oplocks) return "kernel oplocks = yes";
    if (share.kernel_share_modes) return "kernel share modes = yes";
    if (share.posix_locking) return "posix locking = yes";
    return {};
}

}  // namespace Atoll::conf
