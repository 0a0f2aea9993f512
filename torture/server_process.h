// The server's process at the other end of a connection, on this machine, for tests that kill it. They need
// --option=torture:server_session, the UNIX session of the server's processes, and the right to kill them.
#pragma once

#include "torture/test.h"

namespace Atoll::torture {

// Kills (SIGKILL) the process of the server's session that serves the connection from that local port: all that hold its other end but who
// passes it on. How many they were.
size_t kill_server_process(const Test& t, uint16_t local_port);

// /proc/PID/NAME, the first 4 KiB; empty when the process has ended.
std::string process_file(const std::string& pid, const char* name);
bool is_of_session(const std::string& pid, const std::string& session);

}  // namespace Atoll::torture
