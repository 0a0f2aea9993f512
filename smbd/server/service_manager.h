// What a service manager such as systemd is told of the server's life (sd_notify(3)): datagrams to the socket that NOTIFY_SOCKET names.
#pragma once

#include <string_view>

namespace Atoll::server {

// "READY=1", "STOPPING=1", "MAINPID=4711". Nothing happens where nobody wants to know, or cannot be told.
void tell_service_manager(std::string_view state);

}  // namespace Atoll::server
