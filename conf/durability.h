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

// The same of persistent handles, and of all that comes with a share that is continuously available (MS-SMB2 3.3.1.6, Share.IsCA).
inline std::string_view why_not_persistent(const GlobalConf& global, const ShareConf& share) {
    if (!global.persistent_handles) return "persistent handles = no";
    if (!share.continuous_availability) return "continuous availability = no";
    return why_not_durable(share);
}

}  // namespace Atoll::conf
