#include "libcli/auth/kerberos_initiator.h"

#include <openssl/crypto.h>

#include "base/log.h"
#include "libcli/auth/gss.h"
#include "libcli/auth/spnego.h"

namespace Atoll::auth {
namespace {

constexpr OM_uint32 wanted_flags = GSS_C_MUTUAL_FLAG | GSS_C_INTEG_FLAG | GSS_C_SEQUENCE_FLAG | GSS_C_REPLAY_FLAG;

NtStatus status_of(OM_uint32 major, OM_uint32 minor) {
    const OM_uint32 routine = GSS_ROUTINE_ERROR(major);
    if (routine == GSS_S_NO_CRED || routine == GSS_S_CREDENTIALS_EXPIRED) return NtStatus::NO_SUCH_LOGON_SESSION;
    if (routine == GSS_S_DEFECTIVE_TOKEN) return NtStatus::INVALID_PARAMETER;
    switch (gss::krb5_error_of(minor)) {
        case KRB5KRB_AP_ERR_SKEW: return NtStatus::TIME_DIFFERENCE_AT_DC;
        case KRB5KRB_AP_ERR_TKT_EXPIRED:
        case KRB5_FCC_NOFILE:
        case KRB5_CC_NOTFOUND: return NtStatus::NO_SUCH_LOGON_SESSION;
        case KRB5_KDC_UNREACH:
        case KRB5_REALM_UNKNOWN:
        case KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN: return NtStatus::NO_LOGON_SERVERS;
        default: return NtStatus::LOGON_FAILURE;
    }
}

std::vector<uint8_t> to_vector(const Buffer& buffer) { return {buffer.data(), buffer.data() + buffer.size()}; }

}  // namespace

struct KerberosInitiator::State {
    KerberosTarget target;
    gss::Credential credential;
    gss::Name service;
    gss::Context context;
    std::vector<uint8_t> mech_types;
    std::vector<uint8_t> first_token;  // until the server has asked for it
    std::vector<uint8_t> session_key;
    OM_uint32 flags = 0;
    bool established = false;
    bool mics_exchanged = false;

    ~State() { OPENSSL_cleanse(session_key.data(), session_key.size()); }

    NtStatus failed(OM_uint32 major, OM_uint32 minor) const {
        log_warning("Kerberos log-on to cifs/{}: {}", target.host, gss::text(major, minor));
        return status_of(major, minor);
    }

    Result<void, NtStatus> take_cache() {
        if (target.credential_cache.empty()) return {};
        gss_key_value_element_desc element = {"ccache", target.credential_cache.c_str()};
        const gss_key_value_set_desc store = {1, &element};
        gss_OID_set_desc mechanisms = {1, const_cast<gss_OID>(gss_mech_krb5)};
        OM_uint32 minor = 0;
        const OM_uint32 major = gss_acquire_cred_from(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, &mechanisms, GSS_C_INITIATE, &store,
                                                      credential.out(), nullptr, nullptr);
        if (GSS_ERROR(major)) return failed(major, minor);
        return {};
    }

    Result<void, NtStatus> name_service() {
        const std::string text = "cifs@" + target.host;
        gss_buffer_desc in = {text.size(), const_cast<char*>(text.c_str())};
        OM_uint32 minor = 0;
        const OM_uint32 major = gss_import_name(&minor, &in, GSS_C_NT_HOSTBASED_SERVICE, service.out());
        if (GSS_ERROR(major)) return failed(major, minor);
        return {};
    }

    // The next token of the mechanism itself.
    Result<std::vector<uint8_t>, NtStatus> step(Bytes token) {
        OM_uint32 minor = 0;
        gss_buffer_desc in = gss::view(token);
        gss::Buffer out;
        const OM_uint32 major = gss_init_sec_context(
            &minor, credential.get(), context.out(), service.get(), const_cast<gss_OID>(gss_mech_krb5), wanted_flags, GSS_C_INDEFINITE,
            GSS_C_NO_CHANNEL_BINDINGS, token.empty() ? GSS_C_NO_BUFFER : &in, nullptr, out.out(), &flags, nullptr);
        if (GSS_ERROR(major)) return failed(major, minor);
        established = major == GSS_S_COMPLETE;
        if (established && !take_key()) return NtStatus::ACCESS_DENIED;
        const Bytes bytes = out.bytes();
        return std::vector<uint8_t>(bytes.begin(), bytes.end());
    }

    // A context of another kind of key, or one in which the server did not prove itself, is none.
    bool take_key() {
        auto found = gss::context_key(context.get());
        if (!found || !gss::is_aes(found->type) || !(flags & GSS_C_MUTUAL_FLAG)) return false;
        session_key = std::move(found->key);
        return true;
    }

    // KRB_AP_REP, or a KRB_ERROR, and the server's mechListMIC.
    Result<void, NtStatus> take(const NegTokenResp& response) {
        if (response.state == NegState::reject || response.state == NegState::request_mic) return NtStatus::LOGON_FAILURE;
        if (response.mechanism && !is_kerberos(*response.mechanism)) return NtStatus::LOGON_FAILURE;
        if (response.token && !established) {
            if (auto last = step(*response.token); !last) return last.failure();
        }
        if (!established) return NtStatus::ACCESS_DENIED;
        if (response.mic && !gss::mic_is_right(context.get(), mech_types, *response.mic)) return NtStatus::ACCESS_DENIED;
        return {};
    }
};

KerberosInitiator::KerberosInitiator(KerberosTarget target) : state_(std::make_unique<State>()) { state_->target = std::move(target); }
KerberosInitiator::KerberosInitiator(KerberosInitiator&&) noexcept = default;
KerberosInitiator::~KerberosInitiator() = default;

Result<std::vector<uint8_t>, NtStatus> KerberosInitiator::start() {
    if (auto taken = state_->take_cache(); !taken) return taken.failure();
    if (auto named = state_->name_service(); !named) return named.failure();
    auto first = state_->step({});
    if (!first) return first.failure();
    state_->first_token = std::move(*first);
    const std::vector<Mechanism>& offered = state_->target.mechanisms;
    state_->mech_types = encode_mech_types(offered);
    Buffer out;
    // The optimistic token belongs to the mechanism that stands first (RFC 4178 4.2.1).
    encode_neg_token_init(offered, is_kerberos(offered.front()) ? std::exchange(state_->first_token, {}) : std::vector<uint8_t>(), out);
    return to_vector(out);
}

Result<std::vector<uint8_t>, NtStatus> KerberosInitiator::answer(Bytes token) {
    const auto response = NegTokenResp::decode(token);
    if (!response) return response.failure();
    NegTokenResp reply;
    Buffer out;
    if (const auto first = std::exchange(state_->first_token, {}); !first.empty()) {
        if (!response->mechanism || !is_kerberos(*response->mechanism) || response->state == NegState::reject)
            return NtStatus::LOGON_FAILURE;
        reply.state = NegState::accept_incomplete;
        reply.token = first;
        reply.encode(out);
        return to_vector(out);
    }
    if (auto taken = state_->take(*response); !taken) return taken.failure();
    const auto mic = gss::mic_of(state_->context.get(), state_->mech_types);
    if (!mic) return NtStatus::LOGON_FAILURE;
    state_->mics_exchanged = response->mic.has_value();
    reply.state = NegState::accept_completed;
    reply.mic = *mic;
    reply.encode(out);
    return to_vector(out);
}

Result<void, NtStatus> KerberosInitiator::finish(Bytes token, bool trusted) {
    if (!trusted) return NtStatus::ACCESS_DENIED;
    const auto response = NegTokenResp::decode(token);
    if (!response) return response.failure();
    if (response->state && *response->state != NegState::accept_completed) return NtStatus::LOGON_FAILURE;
    if (auto taken = state_->take(*response); !taken) return taken.failure();
    // What the server chose must not be what somebody on the way made it choose (RFC 4178 5).
    const bool preferred = is_kerberos(state_->target.mechanisms.front());
    return preferred || response->mic || state_->mics_exchanged ? Result<void, NtStatus>() : NtStatus::ACCESS_DENIED;
}

Bytes KerberosInitiator::session_key() const { return state_->session_key; }

}  // namespace Atoll::auth
