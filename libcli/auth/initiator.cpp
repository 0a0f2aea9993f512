#include "libcli/auth/initiator.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/random.h"
#include "base/time.h"
#include "base/utf.h"
#include "libcli/auth/ntlmssp.h"
#include "libcli/auth/spnego.h"

namespace Atoll::auth {
namespace {

constexpr uint32_t offered_flags = ntlm_flags::unicode | ntlm_flags::request_target | ntlm_flags::sign | ntlm_flags::ntlm |
                                   ntlm_flags::always_sign | ntlm_flags::extended_session_security | ntlm_flags::target_info |
                                   ntlm_flags::version | ntlm_flags::key_128 | ntlm_flags::key_exchange | ntlm_flags::key_56;
// Without these there is no NTLMv2 session with keys of full strength.
constexpr uint32_t required_flags = ntlm_flags::unicode | ntlm_flags::extended_session_security | ntlm_flags::key_128;

std::vector<uint8_t> to_vector(const Buffer& buffer) { return {buffer.data(), buffer.data() + buffer.size()}; }

// The AV pairs of the response: the server's, with our flags and target name (MS-NLMP 3.1.5.1.2).
struct ResponsePairs {
    std::vector<AvPair> pairs;
    bool has_timestamp = false;
    NtTime time;
    uint8_t flags[4] = {};
    Buffer target;
    std::array<uint8_t, 16> bindings{};  // none: zeros
};

void build_pairs(const std::vector<AvPair>& from_server, const std::string& target, ResponsePairs& out) {
    uint32_t flags = 0;
    for (const AvPair& pair : from_server) {
        if (pair.id == AvId::flags && pair.value.size() == 4) flags = load_le<uint32_t>(pair.value.data());
        if (pair.id == AvId::timestamp && pair.value.size() == 8) {
            out.has_timestamp = true;
            out.time.ticks = load_le<uint64_t>(pair.value.data());
        }
        if (pair.id != AvId::flags && pair.id != AvId::target_name && pair.id != AvId::channel_bindings) out.pairs.push_back(pair);
    }
    if (!out.has_timestamp) out.time = NtTime::now();
    if (out.has_timestamp) flags |= av_flag_mic;
    store_le<uint32_t>(out.flags, flags);
    if (flags != 0) out.pairs.push_back({AvId::flags, out.flags});
    out.pairs.push_back({AvId::channel_bindings, out.bindings});
    (void)append_utf16le(out.target, target);
    out.pairs.push_back({AvId::target_name, out.target.bytes()});
}

}  // namespace

Initiator::Initiator(Credentials credentials, InitiatorOptions options)
    : credentials_(std::move(credentials)), options_(std::move(options)) {}

std::vector<uint8_t> Initiator::start() {
    NtlmNegotiate negotiate;
    negotiate.flags = offered_flags;
    Buffer message;
    negotiate.encode(message);
    negotiate_message_ = to_vector(message);
    if (!options_.spnego) return negotiate_message_;
    mech_types_ = encode_mech_types({Mechanism::ntlmssp});
    Buffer out;
    encode_neg_token_init({Mechanism::ntlmssp}, message, out);
    return to_vector(out);
}

Result<std::vector<uint8_t>, NtStatus> Initiator::answer(Bytes token) {
    if (!options_.spnego) return authenticate(token);
    const auto response = NegTokenResp::decode(token);
    if (!response) return response.failure();
    if (response->state == NegState::reject) return NtStatus::LOGON_FAILURE;
    if (response->mechanism && *response->mechanism != Mechanism::ntlmssp) return NtStatus::LOGON_FAILURE;
    if (!response->token) return NtStatus::INVALID_PARAMETER;
    const auto message = authenticate(*response->token);
    if (!message) return message.failure();
    NegTokenResp reply;
    reply.state = NegState::accept_incomplete;
    reply.token = *message;
    NtlmSecurity::Signature mic;
    if (NtlmSecurity::can_sign(flags_)) {
        mic = NtlmSecurity(NtlmSide::client, flags_, session_key_).sign_mech_list(mech_types_);
        reply.mic = mic;
    }
    Buffer out;
    reply.encode(out);
    return to_vector(out);
}

// MS-NLMP 3.1.5.1.2
Result<std::vector<uint8_t>, NtStatus> Initiator::authenticate(Bytes challenge_message) {
    const auto challenge = NtlmChallenge::decode(challenge_message);
    if (!challenge) return challenge.failure();
    flags_ = challenge->flags & offered_flags;
    if ((flags_ & required_flags) != required_flags) return NtStatus::LOGON_FAILURE;

    NtlmAuthenticate reply;
    reply.flags = flags_;
    reply.workstation = credentials_.workstation;
    Digest base_key{};
    ResponsePairs response;
    if (credentials_.is_anonymous()) {
        reply.flags |= ntlm_flags::anonymous;
        reply.lm_response = {0};
    } else {
        const auto from_server = challenge->target_info.empty() ? std::vector<AvPair>{} : *decode_av_pairs(challenge->target_info);
        build_pairs(from_server, options_.target_name, response);
        NtlmV2ClientChallenge client;
        client.timestamp = response.time;
        client.pairs = response.pairs;
        fill_random(client.challenge);
        Buffer temp;
        client.encode(temp);
        const Digest ntowf = ntowf_v2(credentials_.hash, credentials_.user, credentials_.domain);
        const Digest proof = nt_proof(ntowf, challenge->challenge, temp);
        base_key = session_base_key_v2(ntowf, proof);
        reply.user = credentials_.user;
        reply.domain = credentials_.domain;
        reply.nt_response.assign(proof.begin(), proof.end());
        reply.nt_response.insert(reply.nt_response.end(), temp.data(), temp.data() + temp.size());
        reply.lm_response.assign(ntlm_v1_response_size, 0);
        reply.has_mic = response.has_timestamp;
    }

    session_key_ = base_key;
    if ((flags_ & ntlm_flags::key_exchange) && (flags_ & ntlm_flags::sign)) {
        fill_random(session_key_);
        reply.encrypted_session_key.assign(session_key_.begin(), session_key_.end());
        Rc4(base_key).apply(reply.encrypted_session_key);
    }
    Buffer out;
    reply.encode(out);
    if (reply.has_mic) {
        const Digest mic = hmac_md5(session_key_, {negotiate_message_, challenge_message, out.bytes()});
        std::memcpy(out.data() + NtlmAuthenticate::mic_offset, mic.data(), mic.size());
    }
    return to_vector(out);
}

Result<void, NtStatus> Initiator::finish(Bytes token, bool trusted) {
    if (!options_.spnego || token.empty()) {
        // An empty blob with success is what servers send that see no need for a mechListMIC; with one mechanism offered there is none.
        return {};
    }
    const auto response = NegTokenResp::decode(token);
    if (!response) return response.failure();
    if (response->state && *response->state != NegState::accept_completed) return NtStatus::LOGON_FAILURE;
    if (!trusted || !response->mic) return {};
    NtlmSecurity security(NtlmSide::client, flags_, session_key_);
    if (!NtlmSecurity::can_sign(flags_) || !security.verify_mech_list(mech_types_, *response->mic)) return NtStatus::ACCESS_DENIED;
    return {};
}

}  // namespace Atoll::auth
