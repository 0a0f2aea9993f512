// What a log-on is about, and what comes of it: the values that travel between the process that parses tokens and holds no secrets
// (Acceptor) and the one that holds the secrets and parses nothing (verify_logon).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "libcli/auth/ntlm.h"

namespace Atoll::auth {

// What a client claims and how it proves it. Everything in it is the client's word except server_challenge, challenge_message and
// flags. Names are UTF-8 as the client wrote them.
struct LogonProof {
    std::string user;
    std::string domain;
    std::string workstation;
    Challenge server_challenge{};
    uint32_t flags = 0;  // ntlm_flags that both sides agreed on
    std::vector<uint8_t> nt_response;
    std::vector<uint8_t> lm_response;
    std::vector<uint8_t> encrypted_session_key;
    std::vector<uint8_t> negotiate_message;     // the three as they were on the wire, for the MIC of the last
    std::vector<uint8_t> challenge_message;
    std::vector<uint8_t> authenticate_message;
    std::vector<uint8_t> mech_types;            // DER of the client's MechTypeList; empty if it does not use SPNEGO
    std::vector<uint8_t> client_mic;            // its mechListMIC; empty if it sent none
    bool uses_spnego = false;
    bool mic_required = false;                  // the mechanism was not the client's first choice (RFC 4178 5)
    bool is_anonymous = false;                  // no user, no response (MS-NLMP 3.2.5.1.2)
    bool operator==(const LogonProof&) const = default;
};

// Appends; decode fails with Code::invalid on anything malformed.
void encode(const LogonProof& value, Buffer& out);
Result<void> decode(Bytes in, LogonProof& out);

struct LogonOutcome {
    SessionKey session_key{};           // ExportedSessionKey (MS-NLMP 3.1.5.1, 3.2.5.1): Session.SessionKey of SMB2
    std::vector<uint8_t> token;         // goes to the client with the last SESSION_SETUP response; may be empty
};

}  // namespace Atoll::auth
