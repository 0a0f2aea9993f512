// What is known of a channel (one connection of a client) when NEGOTIATE has been answered: made in preauth, handed over to the
// process that serves the client, and kept in its Connection (MS-SMB2 3.3.1.7).
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/buffer.h"
#include "base/guid.h"

namespace Atoll::smb2 {

using PreauthHash = std::array<uint8_t, 64>;

struct ChannelState {
    uint16_t dialect = 0;            // 0x0202 .. 0x0311; 0x02FF between a multi-protocol answer and the SMB2 NEGOTIATE; 0 before any
    uint16_t cipher = 0;             // SMB2_ENCRYPTION_CAPABILITIES id; 0: none
    uint16_t signing_algorithm = 0;  // SMB2_SIGNING_CAPABILITIES id: 0 HMAC-SHA256, 1 AES-CMAC, 2 AES-GMAC
    uint16_t client_security_mode = 0;
    uint16_t server_security_mode = 0;
    uint32_t client_capabilities = 0;
    uint32_t server_capabilities = 0;
    uint32_t max_transact = 0;  // bytes, as answered
    uint32_t max_read = 0;
    uint32_t max_write = 0;
    Guid client_guid;
    Guid server_guid;
    uint16_t client_dialects_count = 0;  // as sent in NEGOTIATE, for FSCTL_VALIDATE_NEGOTIATE_INFO (3.3.5.15.12)
    std::array<uint16_t, 64> client_dialects{};
    PreauthHash preauth_hash{};    // 3.1.1: Connection.PreauthIntegrityHashValue after the NEGOTIATE response
    uint64_t next_message_id = 0;  // every id below it has been used or is past; preauth takes them strictly in order
    uint32_t credits = 1;          // message ids from next_message_id on that the client may use
    std::string peer_address;      // "192.0.2.1"
    uint16_t peer_port = 0;
    std::string local_address;
    uint16_t local_port = 0;
    bool netbios = false;  // accepted on a NetBIOS session port: frame lengths have 17 bits
};

}  // namespace Atoll::smb2
