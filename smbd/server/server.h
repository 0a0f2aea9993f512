// smbd: reads smb.conf, checks what a start needs, becomes a daemon if told to, and runs the listener.
#pragma once

#include "smbd/server/options.h"

namespace Atoll::server {

// The program's exit status. What prevents the start is one line on standard error.
int run_server(const Options& options);

}  // namespace Atoll::server
