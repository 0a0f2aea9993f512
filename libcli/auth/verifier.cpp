#include "libcli/auth/verifier.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/random.h"
#include "libcli/auth/ntlmssp.h"
#include "libcli/auth/spnego.h"

namespace Atoll::auth {
namespace {

struct Match {
    bool right = false;
    Digest key_exchange_key{};
};

// MS-NLMP 3.3.2. Both domains are always computed, so that what is tried does not show in the time.
Match match_v2(const LogonProof& proof, const NtHash& hash) {
    Match match;
    const Bytes response = proof.nt_response;
    const Bytes claimed = response.first(16);
    for (const std::string_view domain : {std::string_view(proof.domain), std::string_view()}) {
        const Digest ntowf = ntowf_v2(hash, proof.user, domain);
        const Digest expected = nt_proof(ntowf, proof.server_challenge, response.subspan(16));
        const Digest base = session_base_key_v2(ntowf, expected);
        if (!match.right && equal_in_constant_time(expected, claimed)) match = {true, base};
    }
    return match;
}

// MS-NLMP 3.3.1, and KXKEY of 3.4.5.1
Match match_v1(const LogonProof& proof, const NtHash& hash) {
    Match match;
    const bool extended = (proof.flags & ntlm_flags::extended_session_security) != 0;
    Challenge challenge = proof.server_challenge;
    Challenge from_client{};
    if (extended) {
        if (proof.lm_response.size() < from_client.size()) return match;
        std::memcpy(from_client.data(), proof.lm_response.data(), from_client.size());
        challenge = ntlm2_session_challenge(proof.server_challenge, from_client);
    }
    const auto expected = ntlm_v1_response(hash, challenge);
    match.right = equal_in_constant_time(expected, proof.nt_response);
    match.key_exchange_key = session_base_key_v1(hash);
    if (extended) match.key_exchange_key = hmac_md5(match.key_exchange_key, {proof.server_challenge, from_client});
    return match;
}

// MS-NLMP 3.2.5.1.2. False: a key was to be exchanged and there is none of 16 bytes.
bool exported_key(const LogonProof& proof, const Digest& key_exchange_key, SessionKey& out) {
    out = key_exchange_key;
    const bool exchanged = (proof.flags & ntlm_flags::key_exchange) && (proof.flags & (ntlm_flags::sign | ntlm_flags::seal));
    if (!exchanged) return true;
    if (proof.encrypted_session_key.size() != out.size()) return false;
    std::copy(proof.encrypted_session_key.begin(), proof.encrypted_session_key.end(), out.begin());
    Rc4(key_exchange_key).apply(out);
    return true;
}

// The MIC of the AUTHENTICATE_MESSAGE (MS-NLMP 3.2.5.1.2), if it says that it has one.
bool message_mic_right(const LogonProof& proof, const SessionKey& key) {
    const auto message = NtlmAuthenticate::decode(proof.authenticate_message);
    if (!message) return false;
    if (!message->has_mic) return true;
    static constexpr Digest zero{};
    const Bytes whole = proof.authenticate_message;
    const Digest expected = hmac_md5(key, {proof.negotiate_message, proof.challenge_message, whole.first(NtlmAuthenticate::mic_offset),
                                           zero, whole.subspan(NtlmAuthenticate::mic_offset + zero.size())});
    return equal_in_constant_time(expected, message->mic);
}

std::vector<uint8_t> completed(const LogonProof& proof, Bytes mic) {
    if (!proof.uses_spnego) return {};
    NegTokenResp response;
    response.state = NegState::accept_completed;
    if (!mic.empty()) response.mic = mic;
    Buffer out;
    response.encode(out);
    return {out.data(), out.data() + out.size()};
}

// RFC 4178 5: the client's mechListMIC is checked and answered with ours. False: it is wrong, or missing though required.
bool finish_spnego(const LogonProof& proof, const SessionKey& key, std::vector<uint8_t>& token) {
    if (!proof.uses_spnego) return true;
    if (proof.client_mic.empty()) {
        token = completed(proof, {});
        return !proof.mic_required;
    }
    if (!NtlmSecurity::can_sign(proof.flags)) return false;
    NtlmSecurity security(NtlmSide::server, proof.flags, key);
    if (!security.verify_mech_list(proof.mech_types, proof.client_mic)) return false;
    token = completed(proof, security.sign_mech_list(proof.mech_types));
    return true;
}

}  // namespace

Result<LogonOutcome, NtStatus> verify_logon(const LogonProof& proof, const NtHash* hash, NtlmPolicy policy) {
    ATOLL_ASSERT(!proof.is_anonymous);
    if (policy == NtlmPolicy::disabled) return NtStatus::NTLM_BLOCKED;
    const bool v2 = proof.nt_response.size() > ntlm_v1_response_size;
    const bool v1 = proof.nt_response.size() == ntlm_v1_response_size && policy == NtlmPolicy::ntlmv1_permitted;
    if (!v2 && !v1) return NtStatus::LOGON_FAILURE;

    NtHash key;
    fill_random(key);
    if (hash != nullptr) key = *hash;
    Match match = v2 ? match_v2(proof, key) : match_v1(proof, key);
    OPENSSL_cleanse(key.data(), key.size());
    match.right = match.right && hash != nullptr;

    // Everything below is computed for a wrong password too.
    LogonOutcome outcome;
    SessionKey session_key;
    if (!exported_key(proof, match.key_exchange_key, session_key)) return NtStatus::INVALID_PARAMETER;
    const bool mic_right = message_mic_right(proof, session_key);
    const bool spnego_right = finish_spnego(proof, session_key, outcome.token);
    if (!match.right || !mic_right || !spnego_right) return NtStatus::LOGON_FAILURE;
    outcome.session_key.assign(session_key.begin(), session_key.end());
    return outcome;
}

LogonOutcome accept_anonymous(const LogonProof& proof) {
    LogonOutcome outcome;
    // The base key is zero (MS-NLMP 3.2.5.1.2), and a client may exchange another under it.
    SessionKey session_key{};
    if (!exported_key(proof, Digest{}, session_key)) session_key = {};
    if (!finish_spnego(proof, session_key, outcome.token)) outcome.token = completed(proof, {});
    outcome.session_key.assign(session_key.begin(), session_key.end());
    return outcome;
}

LogonOutcome accept_guest(const LogonProof& proof) {
    LogonOutcome outcome;
    outcome.token = completed(proof, {});
    return outcome;
}

}  // namespace Atoll::auth
