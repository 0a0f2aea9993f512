// What the server says it is: to clients that decide by it what to ask, it is a Windows server of the generation that speaks SMB 2.1 and
// later, as Debian's smbd says it too.
#pragma once

#include <cstdint>

namespace Atoll::services::server_identity {

constexpr uint32_t platform = 500;  // PLATFORM_ID_NT (MS-SRVS 2.2.2.6)
constexpr uint32_t version_major = 6;
constexpr uint32_t version_minor = 1;
// MS-SRVS 2.2.2.7: workstation, server, print queue, UNIX, NT, NT server, DFS.
constexpr uint32_t type = 0x00000001 | 0x00000002 | 0x00000200 | 0x00000800 | 0x00001000 | 0x00008000 | 0x00800000;

}  // namespace Atoll::services::server_identity
