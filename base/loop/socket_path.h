// UNIX sockets with names in a directory whose path may be longer than a socket's address holds. As root, whoever the thread acts as.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace Atoll::loop {

// A listening SOCK_SEQPACKET socket that only its owner can connect to; one that stood there is replaced.
Result<UniqueFd> listen_on_path(const std::string& path);
// Code::dead: nobody listens there.
Result<UniqueFd> connect_to_path(const std::string& path);

}  // namespace Atoll::loop
