// What every process would do at its first client is done once in the listener, so that it forks them with it.
#pragma once

namespace Atoll::server {

// Has OpenSSL read its configuration and look up every algorithm that a session may use, and the name service load its modules.
// Also makes the index of names that they share. Leaves no thread, and no open file but that index's inotify instance.
void warm_image();

}  // namespace Atoll::server
