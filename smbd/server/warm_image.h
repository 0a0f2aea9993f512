// What every process would do at its first client is done once in the listener, so that it forks them with it.
#pragma once

namespace Atoll::server {

// Has OpenSSL read its configuration and look up every algorithm that a session may use, and the name service load its modules.
// Leaves neither a thread nor an open file behind.
void warm_image();

}  // namespace Atoll::server
