// The functions of NTLM authentication (MS-NLMP 3.3, 3.4): hashes, responses, keys, and the session security that comes of them.
// Pure functions: thread-safe. NtlmSecurity is not.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "base/buffer.h"
#include "libcli/auth/rc4.h"

namespace Atoll::auth {

using Digest = std::array<uint8_t, 16>;
using NtHash = std::array<uint8_t, 16>;  // NTOWFv1: MD4 of the password in UTF-16LE
using SessionKey = std::array<uint8_t, 16>;
using Challenge = std::array<uint8_t, 8>;

Digest md5(std::initializer_list<Bytes> parts);
Digest hmac_md5(Bytes key, std::initializer_list<Bytes> parts);
// How many digests and DES blocks this thread has computed with this room: a test compares known with unknown users.
uint64_t digest_calls();
bool equal_in_constant_time(Bytes a, Bytes b);

// nullopt: the password is not valid UTF-8.
std::optional<NtHash> nt_hash(std::string_view password);

// NTOWFv2 (MS-NLMP 3.3.2): `user` is upper-cased here, `domain` is taken as it is; both UTF-8.
Digest ntowf_v2(const NtHash& hash, std::string_view user, std::string_view domain);

// NTProofStr over `temp`, the client's part of the NTLMv2 response, which is everything after the first 16 bytes.
Digest nt_proof(const Digest& ntowf, const Challenge& server_challenge, Bytes temp);
Digest session_base_key_v2(const Digest& ntowf, const Digest& proof);

// NTLMv1 (MS-NLMP 3.3.1): DESL of the hash and an 8-byte challenge.
std::array<uint8_t, 24> ntlm_v1_response(const NtHash& hash, const Challenge& challenge);
Digest session_base_key_v1(const NtHash& hash);  // MD4 of the hash
// What DESL is taken of with extended session security: MD5(server challenge, client challenge)[0..7].
Challenge ntlm2_session_challenge(const Challenge& server_challenge, const Challenge& client_challenge);

enum class NtlmSide : uint8_t { client, server };

// MS-NLMP 3.4.5.2 and 3.4.5.3, with extended session security.
Digest ntlm_sign_key(const SessionKey& exported, NtlmSide sender);
Digest ntlm_seal_key(const SessionKey& exported, uint32_t flags, NtlmSide sender);

// Session security with extended session security (MS-NLMP 3.4.2 to 3.4.4.2). Signatures without that flag are not built: what needs one
// is refused.
class NtlmSecurity {
 public:
    using Signature = std::array<uint8_t, 16>;

    NtlmSecurity(NtlmSide self, uint32_t flags, const SessionKey& exported);

    // False: no signatures can be made (no extended session security, or NTLMSSP_NEGOTIATE_SIGN was not negotiated).
    static bool can_sign(uint32_t flags);

    // GSS_GetMICEx and GSS_VerifyMICEx: each advances its direction's sequence number and key stream.
    Signature sign(Bytes message);
    bool verify(Bytes message, Bytes signature);
    // GSS_WrapEx: signs `message`, which holds `data` somewhere inside (DCE/RPC signs its header too) or is it, and encrypts `data`.
    Signature seal(Bytes message, MutableBytes data);
    bool unseal(Bytes message, MutableBytes data, Bytes signature);

    // For SPNEGO's mechListMIC the key stream is put back afterwards (MS-SPNG 3.2.5.1, 3.3.5.1).
    Signature sign_mech_list(Bytes mech_types);
    bool verify_mech_list(Bytes mech_types, Bytes signature);

 private:
    struct Direction {
        Digest sign_key;
        Rc4 stream;
        uint32_t sequence = 0;
    };
    static Digest checksum(const Direction& direction, Bytes message);
    Signature finish(Direction& direction, const Digest& digest) const;
    Signature make(Direction& direction, Bytes message) const;

    bool key_exchange_;
    Direction sending_;
    Direction receiving_;
};

}  // namespace Atoll::auth
