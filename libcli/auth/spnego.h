// SPNEGO tokens (RFC 4178 4.2, MS-SPNG 2.2.1) in DER, both sides. Bytes members point into the token that was decoded. Pure functions:
// thread-safe. A decoder's error is INVALID_PARAMETER.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/nt_status.h"
#include "base/result.h"

namespace Atoll::auth {

enum class Mechanism : uint8_t {
    ntlmssp,       // 1.3.6.1.4.1.311.2.2.10
    kerberos,      // 1.2.840.113554.1.2.2
    ms_kerberos,   // 1.2.840.48018.1.2.2, the erroneous value (MS-SPNG 3.2.5)
    kerberos_u2u,  // 1.2.840.113554.1.2.2.3
    negoex,        // 1.3.6.1.4.1.311.2.2.30
    other,
};

inline bool is_kerberos(Mechanism mechanism) { return mechanism == Mechanism::kerberos || mechanism == Mechanism::ms_kerberos; }

enum class NegState : uint8_t { accept_completed = 0, accept_incomplete = 1, reject = 2, request_mic = 3 };

// NegTokenInit, and NegTokenInit2 which has hints in between (MS-SPNG 2.2.1).
struct NegTokenInit {
    std::vector<Mechanism> mechanisms;  // in the sender's order, at most limits::max_spnego_mechanisms
    Bytes mech_types;                   // the MechTypeList's DER as it stands in the token: what mechListMIC is computed over
    std::optional<Bytes> mech_token;
    std::optional<Bytes> mic;

    static Result<NegTokenInit, NtStatus> decode(Bytes token);
};

struct NegTokenResp {
    std::optional<NegState> state;
    std::optional<Mechanism> mechanism;
    std::optional<Bytes> token;
    std::optional<Bytes> mic;

    static Result<NegTokenResp, NtStatus> decode(Bytes token);
    void encode(Buffer& out) const;
};

// The DER of a MechTypeList.
std::vector<uint8_t> encode_mech_types(const std::vector<Mechanism>& mechanisms);
// A client's first token, in the GSS-API frame (RFC 4178 4.2, RFC 2743 3.1).
void encode_neg_token_init(const std::vector<Mechanism>& mechanisms, Bytes mech_token, Buffer& out);
// What a server sends before the client has spoken: NegTokenInit2 with the hint that MS-SPNG 2.2.1 prescribes.
void encode_neg_token_init2(const std::vector<Mechanism>& mechanisms, Buffer& out);

// A mechanism's own first token (RFC 2743 3.1): its object identifier, then `inner`.
std::vector<uint8_t> gss_framed(Mechanism mechanism, Bytes inner);

// How a token begins: in the GSS-API frame (a NegTokenInit), as a bare NegTokenInit, as a NegTokenResp, or otherwise.
enum class SpnegoKind : uint8_t { init, response, unknown };
SpnegoKind spnego_kind(Bytes token);

}  // namespace Atoll::auth
