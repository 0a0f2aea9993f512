#include "libcli/auth/acceptor.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/random.h"
#include "base/time.h"
#include "base/utf.h"
#include "libcli/auth/limits.h"
#include "libcli/auth/ntlmssp.h"

namespace Atoll::auth {
namespace {

Failure<NtStatus> malformed() { return Failure<NtStatus>(NtStatus::INVALID_PARAMETER); }

// What is taken over from the client's flags if it asks (MS-NLMP 3.2.5.1.1). LM session keys are not offered.
constexpr uint32_t granted_flags = ntlm_flags::unicode | ntlm_flags::sign | ntlm_flags::seal | ntlm_flags::extended_session_security |
                                   ntlm_flags::version | ntlm_flags::key_128 | ntlm_flags::key_exchange | ntlm_flags::key_56;
// What is always set.
constexpr uint32_t server_flags =
    ntlm_flags::request_target | ntlm_flags::ntlm | ntlm_flags::always_sign | ntlm_flags::target_type_server | ntlm_flags::target_info;

void assign(std::vector<uint8_t>& out, Bytes bytes) { out.assign(bytes.begin(), bytes.end()); }

}  // namespace

std::vector<uint8_t> Acceptor::negotiate_token(bool kerberos) {
    Buffer out;
    // Kerberos under both its names, as Windows offers it (MS-SPNG 3.1.5.2).
    if (kerberos) {
        encode_neg_token_init2({Mechanism::ms_kerberos, Mechanism::kerberos, Mechanism::ntlmssp}, out);
    } else {
        encode_neg_token_init2({Mechanism::ntlmssp}, out);
    }
    return {out.data(), out.data() + out.size()};
}

Result<Acceptor::Step, NtStatus> Acceptor::step(Bytes token) {
    if (state_ == State::verifying || state_ == State::done || token.size() > limits::max_security_blob) {
        state_ = State::done;
        return malformed();
    }
    auto result = [&]() -> Result<Step, NtStatus> {
        const bool first = state_ == State::start;
        if (is_ntlmssp(token)) {
            if (!first && (proof_.uses_spnego || chosen_ != Mechanism::ntlmssp)) return malformed();
            return take_ntlm(token);
        }
        if (first) return take_init(token);
        return proof_.uses_spnego ? take_response(token) : malformed();
    }();
    if (!result) state_ = State::done;
    return result;
}

bool Acceptor::takes(Mechanism mechanism) const { return mechanism == Mechanism::ntlmssp || (kerberos_ && is_kerberos(mechanism)); }

// RFC 4178 4.2.1, 5: the client's first mechanism that is taken here. The optimistic token belongs to its very first.
Result<Acceptor::Step, NtStatus> Acceptor::take_init(Bytes token) {
    const auto init = NegTokenInit::decode(token);
    if (!init) return init.failure();
    const auto& offered = init->mechanisms;
    const auto chosen = std::find_if(offered.begin(), offered.end(), [this](Mechanism one) { return takes(one); });
    if (chosen == offered.end()) return malformed();
    chosen_ = *chosen;
    proof_.uses_spnego = true;
    assign(proof_.mech_types, init->mech_types);
    proof_.mic_required = chosen != offered.begin();
    state_ = is_kerberos(chosen_) ? State::want_kerberos : State::want_negotiate;
    if (!proof_.mic_required && init->mech_token) {
        return is_kerberos(chosen_) ? take_kerberos(*init->mech_token) : take_ntlm(*init->mech_token);
    }
    return Step{wrap({}, proof_.mic_required ? NegState::request_mic : NegState::accept_incomplete), std::nullopt};
}

Result<Acceptor::Step, NtStatus> Acceptor::take_response(Bytes token) {
    const auto response = NegTokenResp::decode(token);
    if (!response) return response.failure();
    if (response->state == NegState::reject) return malformed();
    // Once the verifier has a context, the client's MIC may come alone (RFC 4178 5).
    const bool only_mic = is_kerberos(chosen_) && proof_.exchange != 0 && response->mic;
    if (!response->token && !only_mic) return malformed();
    proof_.client_mic.clear();
    if (response->mic) assign(proof_.client_mic, *response->mic);
    if (is_kerberos(chosen_)) return take_kerberos(response->token.value_or(Bytes()));
    return take_ntlm(*response->token);
}

Result<Acceptor::Step, NtStatus> Acceptor::take_kerberos(Bytes token) {
    if (proof_.kerberos_tokens >= limits::max_kerberos_tokens) return malformed();
    proof_.kerberos_tokens++;
    proof_.mechanism = logon_mechanism::MECHANISM_KERBEROS;
    proof_.truncated_oid = chosen_ == Mechanism::ms_kerberos;
    proof_.name_mechanism = !std::exchange(named_mechanism_, true);
    assign(proof_.gss_token, token);
    state_ = State::verifying;
    return Step{{}, proof_};
}

void Acceptor::go_on(uint64_t exchange) {
    ATOLL_ASSERT(state_ == State::verifying);
    proof_.exchange = exchange;
    state_ = State::want_kerberos;
}

Result<Acceptor::Step, NtStatus> Acceptor::take_ntlm(Bytes message) {
    if (state_ == State::want_authenticate) return authenticate(message);
    const auto reply = challenge(message);
    if (!reply) return reply.failure();
    state_ = State::want_authenticate;
    if (!proof_.uses_spnego) return Step{*reply, std::nullopt};
    return Step{wrap(*reply, NegState::accept_incomplete), std::nullopt};
}

// MS-NLMP 3.2.5.1.1
Result<std::vector<uint8_t>, NtStatus> Acceptor::challenge(Bytes negotiate) {
    const auto request = NtlmNegotiate::decode(negotiate);
    if (!request) return request.failure();
    uint32_t flags = request->flags;
    if (!(flags & (ntlm_flags::unicode | ntlm_flags::oem))) return malformed();
    challenge_flags_ = server_flags | (flags & granted_flags);
    if (!(flags & ntlm_flags::unicode)) challenge_flags_ |= ntlm_flags::oem;

    NtlmChallenge reply;
    reply.flags = challenge_flags_;
    fill_random(reply.challenge);
    reply.target_name = names_.netbios_name;

    Buffer wide[4];
    std::vector<AvPair> pairs;
    const auto add = [&pairs](AvId id, Buffer& buffer, const std::string& name) {
        if (!name.empty() && append_utf16le(buffer, name)) pairs.push_back({id, buffer.bytes()});
    };
    // In the order in which Windows and Samba send them.
    add(AvId::nb_domain_name, wide[0], names_.netbios_domain.empty() ? names_.netbios_name : names_.netbios_domain);
    add(AvId::nb_computer_name, wide[1], names_.netbios_name);
    add(AvId::dns_domain_name, wide[2], names_.dns_domain);
    add(AvId::dns_computer_name, wide[3], names_.dns_name);
    uint8_t time[8];
    store_le<uint64_t>(time, NtTime::now().ticks);
    pairs.push_back({AvId::timestamp, time});
    Buffer info;
    encode_av_pairs(pairs, info);
    assign(reply.target_info, info);

    Buffer out;
    reply.encode(out);
    proof_.server_challenge = reply.challenge;
    assign(proof_.negotiate_message, negotiate);
    assign(proof_.challenge_message, out);
    return proof_.challenge_message;
}

// MS-NLMP 3.2.5.1.2, as far as it needs no secret
Result<Acceptor::Step, NtStatus> Acceptor::authenticate(Bytes message) {
    auto decoded = NtlmAuthenticate::decode(message);
    if (!decoded) return decoded.failure();
    state_ = State::done;
    proof_.flags = decoded->flags & challenge_flags_;
    proof_.is_anonymous = decoded->user.empty() && decoded->nt_response.empty() &&
                          (decoded->lm_response.empty() || (decoded->lm_response.size() == 1 && decoded->lm_response[0] == 0));
    proof_.user = std::move(decoded->user);
    proof_.domain = std::move(decoded->domain);
    proof_.workstation = std::move(decoded->workstation);
    proof_.nt_response = std::move(decoded->nt_response);
    proof_.lm_response = std::move(decoded->lm_response);
    proof_.encrypted_session_key = std::move(decoded->encrypted_session_key);
    assign(proof_.authenticate_message, message);
    return Step{{}, std::move(proof_)};
}

std::vector<uint8_t> Acceptor::wrap(Bytes message, NegState state) {
    NegTokenResp response;
    response.state = state;
    if (!named_mechanism_) response.mechanism = chosen_;  // in the first reply only (RFC 4178 4.2.2)
    named_mechanism_ = true;
    if (!message.empty()) response.token = message;
    Buffer out;
    response.encode(out);
    return {out.data(), out.data() + out.size()};
}

}  // namespace Atoll::auth
