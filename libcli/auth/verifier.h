// The half of a server's log-on that holds the secrets (docs/design.md, "Processes"): decides about a LogonProof. Pure functions of their
// arguments: thread-safe.
#pragma once

#include "base/nt_status.h"
#include "base/result.h"
#include "libcli/auth/logon.h"

namespace Atoll::auth {

enum class NtlmPolicy : uint8_t { disabled, ntlmv2_only, ntlmv1_permitted };  // smb.conf `ntlm auth`

// Is the proof that of a user with this NT hash? Success gives the session key and the final token (SPNEGO accept-completed, with
// mechListMIC if the client sent one). `hash` is null for a user who does not exist: the same digests are computed and the
// answer is the same as for a wrong password, LOGON_FAILURE. Other errors: NTLM_BLOCKED (policy disabled), INVALID_PARAMETER
// (key exchange without a key). Not for anonymous proofs (asserted).
//
// Tried: the domain as the client wrote it, then none (MS-NLMP 3.2.5.1.2). NTLMv1 only by policy; LM responses never. The MIC of the
// AUTHENTICATE_MESSAGE and the client's mechListMIC are checked when they are there; mechListMIC must be there if mic_required. The
// client's clock and its channel bindings are not judged.
Result<LogonOutcome, NtStatus> verify_logon(const LogonProof& proof, const NtHash* hash, NtlmPolicy policy);

// Of an anonymous log-on, or one that becomes guest although its proof is wrong: a guest shares no session key with the server, so there
// is none; sessions of both kinds are neither signed nor sealed (MS-SMB2 3.3.5.5.3).
LogonOutcome accept_anonymous(const LogonProof& proof);
LogonOutcome accept_guest(const LogonProof& proof);

}  // namespace Atoll::auth
