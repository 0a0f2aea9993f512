// Where a client is and how it speaks: what smb.conf's macros and services say of it.
#pragma once

#include <cstdint>
#include <string>

namespace Atoll::xsrv {

struct ClientEnd {
    std::string peer_address;   // "192.0.2.1"
    std::string local_address;  // the server's, on that connection
    uint16_t dialect = 0;       // MS-SMB2 2.2.3
};

}  // namespace Atoll::xsrv
