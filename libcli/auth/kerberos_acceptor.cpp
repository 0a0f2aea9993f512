#include "libcli/auth/kerberos_acceptor.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <list>

#include "base/assert.h"
#include "base/log.h"
#include "base/random.h"
#include "base/utf.h"
#include "libcli/auth/gss.h"
#include "libcli/auth/keytab.h"
#include "libcli/auth/limits.h"
#include "libcli/auth/spnego.h"

namespace Atoll::auth {
namespace {

using Refusal = KerberosAcceptor::Refusal;

constexpr size_t max_key = 32;  // bytes; LogonOutcome.session_key holds no more

Failure<Refusal> refuse(std::string why, NtStatus status = NtStatus::LOGON_FAILURE) {
    return Failure<Refusal>(Refusal{status, std::move(why)});
}

std::vector<uint8_t> to_vector(const Buffer& buffer) { return {buffer.data(), buffer.data() + buffer.size()}; }

// A context that is established, and all that becomes of it but for SPNEGO's last word.
struct Established {
    gss::Context context;
    KerberosGrant grant;
};

// One whose client has yet to send its mechListMIC.
struct Waiting {
    uint64_t exchange = 0;
    Monotonic deadline;
    Established established;
};

std::vector<uint8_t> response(const LogonProof& proof, NegState state, Bytes token, Bytes mic) {
    if (!proof.uses_spnego) return {token.begin(), token.end()};
    NegTokenResp reply;
    reply.state = state;
    if (proof.name_mechanism) reply.mechanism = proof.truncated_oid ? Mechanism::ms_kerberos : Mechanism::kerberos;
    if (!token.empty()) reply.token = token;
    if (!mic.empty()) reply.mic = mic;
    Buffer out;
    reply.encode(out);
    return to_vector(out);
}

// "cifs/host@REALM", "HOST$@REALM"
bool is_file_service(std::string_view name) {
    name = name.substr(0, name.find('@'));
    const size_t slash = name.find('/');
    if (slash == std::string_view::npos) return name.ends_with('$');
    return equal_ignoring_ascii_case(name.substr(0, slash), "cifs") || equal_ignoring_ascii_case(name.substr(0, slash), "host");
}

// The end of the ticket itself: gss_inquire_context() adds the clock skew that is allowed. The context is used up.
std::optional<NtTime> end_of(gss::Context context) {
    OM_uint32 minor = 0;
    void* exported = nullptr;
    if (GSS_ERROR(gss_krb5_export_lucid_sec_context(&minor, context.out(), 1, &exported))) return std::nullopt;
    const auto* lucid = static_cast<const gss_krb5_lucid_context_v1_t*>(exported);
    const timespec end{static_cast<time_t>(lucid->endtime), 0};
    (void)gss_krb5_free_lucid_sec_context(&minor, exported);
    return NtTime::from(end);
}

class GssKerberosAcceptor final : public KerberosAcceptor {
 public:
    GssKerberosAcceptor(KerberosSettings settings, Keytab keytab, gss::Credential credential)
        : settings_(std::move(settings)), keytab_(std::move(keytab)), credential_(std::move(credential)) {}

    static Result<gss::Credential> acquire(const KerberosSettings& settings, const Keytab& keytab);

    Result<Answer, Refusal> accept(const LogonProof& proof) override;

 private:
    void refresh();
    Result<Answer, Refusal> take_token(const LogonProof& proof);
    Result<Answer, Refusal> not_accepted(const LogonProof& proof, OM_uint32 major, OM_uint32 minor);
    Result<Answer, Refusal> settle(const LogonProof& proof, Established established, Bytes token);
    Result<Answer, Refusal> take_mic(const LogonProof& proof);
    Result<Answer, Refusal> finish(Established established, std::vector<uint8_t> token);
    void forget_old();
    static Result<void, Refusal> check_service(gss_ctx_id_t context);
    Result<void, Refusal> read_principal(const gss::Name& name, KerberosGrant& out);
    std::vector<uint8_t> skew_error();

    KerberosSettings settings_;
    Keytab keytab_;
    gss::Credential credential_;
    std::list<Waiting> waiting_;  // the oldest first
};

Result<gss::Credential> GssKerberosAcceptor::acquire(const KerberosSettings& settings, const Keytab& keytab) {
    // As krb5_rc_resolve() names one: type and path.
    const std::string cache = "file2:" + settings.replay_cache;
    std::array<gss_key_value_element_desc, 2> elements = {{{"keytab", keytab.memory_name().c_str()}, {"rcache", cache.c_str()}}};
    const gss_key_value_set_desc store = {elements.size(), elements.data()};
    gss_OID_set_desc mechanisms = {1, const_cast<gss_OID>(gss_mech_krb5)};
    gss::Credential credential;
    OM_uint32 minor = 0;
    const OM_uint32 major = gss_acquire_cred_from(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, &mechanisms, GSS_C_ACCEPT, &store,
                                                  credential.out(), nullptr, nullptr);
    if (GSS_ERROR(major)) return fail(Code::invalid, keytab.where(), "the keytab cannot be used: " + gss::text(major, minor));
    return credential;
}

// Keys are renewed while the server runs: new ones count from the next log-on.
void GssKerberosAcceptor::refresh() {
    if (!keytab_.has_changed()) return;
    auto keytab = Keytab::open(keytab_.where());
    if (!keytab) return log_error("{}: the former keys stay", keytab.error().message());
    auto credential = acquire(settings_, *keytab);
    if (!credential) return log_error("{}: the former keys stay", credential.error().message());
    credential_ = std::move(credential).value();
    keytab_ = std::move(keytab).value();
    log_notice("{} has changed: its keys are used", keytab_.where());
}

Result<KerberosAcceptor::Answer, Refusal> GssKerberosAcceptor::accept(const LogonProof& proof) {
    ATOLL_ASSERT(proof.mechanism == logon_mechanism::MECHANISM_KERBEROS);
    if (proof.exchange != 0) return take_mic(proof);
    refresh();
    return take_token(proof);
}

Result<KerberosAcceptor::Answer, Refusal> GssKerberosAcceptor::take_token(const LogonProof& proof) {
    Established established;
    gss_buffer_desc in = gss::view(proof.gss_token);
    gss::Buffer out;
    gss::Name peer;
    gss::Credential delegated;  // nobody here uses it
    OM_uint32 minor = 0, flags = 0;
    const OM_uint32 major = gss_accept_sec_context(&minor, established.context.out(), credential_.get(), &in, GSS_C_NO_CHANNEL_BINDINGS,
                                                   peer.out(), nullptr, out.out(), &flags, nullptr, delegated.out());
    if (major != GSS_S_COMPLETE) return not_accepted(proof, major, minor);

    auto key = gss::context_key(established.context.get());
    if (!key) return refuse("its session has no key");
    if (!gss::is_aes(key->type)) return refuse("the key of its session is none of AES (encryption type " + std::to_string(key->type) + ")");
    if (key->key.size() > max_key) return refuse("the key of its session is too long");
    established.grant.outcome.session_key = std::move(key->key);
    if (auto checked = check_service(established.context.get()); !checked) return checked.failure();
    if (auto read = read_principal(peer, established.grant); !read) return read.failure();
    return settle(proof, std::move(established), out.bytes());
}

Result<KerberosAcceptor::Answer, Refusal> GssKerberosAcceptor::not_accepted(const LogonProof& proof, OM_uint32 major, OM_uint32 minor) {
    const std::string why = major == GSS_S_CONTINUE_NEEDED ? "a context of several tokens is not taken" : gss::text(major, minor);
    // Of a request that cannot be decoded the library gives no reason.
    if (why.empty()) return refuse("it is no Kerberos request", NtStatus::INVALID_PARAMETER);
    if (gss::krb5_error_of(minor) != KRB5KRB_AP_ERR_SKEW) return refuse(why);
    // MS-KILE 3.4.5: the client is told the time here, and tries again with it.
    auto error = proof.kerberos_tokens < 2 ? skew_error() : std::vector<uint8_t>();
    if (error.empty()) return refuse(why, NtStatus::TIME_DIFFERENCE_AT_DC);
    log_warning("Kerberos: {}: the client is told the time", why);
    return Answer(LogonContinuation{response(proof, NegState::accept_incomplete, error, {}), 0});
}

// A KRB_ERROR (RFC 4120 5.9.1) in its frame (RFC 4121 4.1), with KERB-ERROR-DATA of KERB_AP_ERR_TYPE_SKEW_RECOVERY (MS-KILE 2.2.2).
std::vector<uint8_t> GssKerberosAcceptor::skew_error() {
    static constexpr uint8_t data[] = {0x30, 0x05, 0xA1, 0x03, 0x02, 0x01, 0x02};
    krb5_context context = keytab_.library().get();
    ::krb5_error error{};
    error.error = static_cast<krb5_ui_4>(KRB5KRB_AP_ERR_SKEW - ERROR_TABLE_BASE_krb5);
    error.server = keytab_.principal();
    error.e_data.length = sizeof data;
    error.e_data.data = reinterpret_cast<char*>(const_cast<uint8_t*>(data));
    if (krb5_us_timeofday(context, &error.stime, &error.susec) != 0) return {};
    krb5_data encoded{};
    if (krb5_mk_error(context, &error, &encoded) != 0) return {};
    std::vector<uint8_t> inner = {0x03, 0x00};
    inner.insert(inner.end(), encoded.data, encoded.data + encoded.length);
    krb5_free_data_contents(context, &encoded);
    return gss_framed(Mechanism::kerberos, inner);
}

Result<void, Refusal> GssKerberosAcceptor::read_principal(const gss::Name& name, KerberosGrant& out) {
    OM_uint32 minor = 0;
    gss::Buffer text;
    if (GSS_ERROR(gss_display_name(&minor, name.get(), text.out(), nullptr))) return refuse("the principal has no name");
    const Bytes bytes = text.bytes();
    const std::string full(bytes.begin(), bytes.end());
    krb5_context context = keytab_.library().get();
    krb5_principal principal = nullptr;
    if (krb5_parse_name(context, full.c_str(), &principal) != 0) return refuse("the principal's name cannot be read");
    char* user = nullptr;
    const krb5_error_code code = krb5_unparse_name_flags(context, principal, KRB5_PRINCIPAL_UNPARSE_NO_REALM, &user);
    if (code == 0) out.user = user;
    out.realm.assign(principal->realm.data, principal->realm.length);
    krb5_free_unparsed_name(context, user);
    krb5_free_principal(context, principal);
    if (code != 0 || out.user.empty()) return refuse("the principal's name cannot be read");
    return {};
}

// The ticket may be for another service that has the same key, such as every service of a machine account.
Result<void, Refusal> GssKerberosAcceptor::check_service(gss_ctx_id_t context) {
    OM_uint32 minor = 0;
    gss::Name service;
    gss::Buffer text;
    if (GSS_ERROR(gss_inquire_context(&minor, context, nullptr, service.out(), nullptr, nullptr, nullptr, nullptr, nullptr)) ||
        GSS_ERROR(gss_display_name(&minor, service.get(), text.out(), nullptr))) {
        return refuse("the ticket's service has no name");
    }
    const std::string_view name(reinterpret_cast<const char*>(text.bytes().data()), text.bytes().size());
    if (is_file_service(name)) return {};
    return refuse("its ticket is for " + std::string(name) + ", which is no file server's name (cifs/HOST, host/HOST)");
}

// RFC 4178 5: with a MIC of the client's the exchange ends here; where one is required and cannot have been made yet, it is asked for.
Result<KerberosAcceptor::Answer, Refusal> GssKerberosAcceptor::settle(const LogonProof& proof, Established established, Bytes token) {
    gss_ctx_id_t context = established.context.get();
    const bool has_mic = !proof.client_mic.empty();
    if (has_mic && !gss::mic_is_right(context, proof.mech_types, proof.client_mic))
        return refuse("its list of mechanisms was changed on the way");
    if (!has_mic && !proof.mic_required) return finish(std::move(established), response(proof, NegState::accept_completed, token, {}));
    const auto mic = gss::mic_of(context, proof.mech_types);
    if (!mic) return refuse("no message integrity code can be made");
    if (has_mic) return finish(std::move(established), response(proof, NegState::accept_completed, token, *mic));

    forget_old();
    Waiting& waiting = waiting_.emplace_back();
    waiting.exchange = std::max<uint64_t>(random_u64(), 1);
    waiting.deadline = monotonic_now() + std::chrono::seconds(limits::kerberos_exchange_seconds);
    waiting.established = std::move(established);
    return Answer(LogonContinuation{response(proof, NegState::accept_incomplete, token, *mic), waiting.exchange});
}

Result<KerberosAcceptor::Answer, Refusal> GssKerberosAcceptor::take_mic(const LogonProof& proof) {
    forget_old();
    const auto found = std::find_if(waiting_.begin(), waiting_.end(), [&](const Waiting& one) { return one.exchange == proof.exchange; });
    if (found == waiting_.end()) return refuse("its exchange has been forgotten");
    Established established = std::move(found->established);
    waiting_.erase(found);
    if (!proof.gss_token.empty() || !gss::mic_is_right(established.context.get(), proof.mech_types, proof.client_mic))
        return refuse("its list of mechanisms was changed on the way");
    return finish(std::move(established), response(proof, NegState::accept_completed, {}, {}));
}

void GssKerberosAcceptor::forget_old() {
    while (!waiting_.empty() && (waiting_.size() >= limits::max_kerberos_exchanges || waiting_.front().deadline < monotonic_now()))
        waiting_.pop_front();
}

Result<KerberosAcceptor::Answer, Refusal> GssKerberosAcceptor::finish(Established established, std::vector<uint8_t> token) {
    const auto end = end_of(std::move(established.context));
    if (!end) return refuse("the end of its ticket cannot be told");
    established.grant.expires = *end;
    established.grant.outcome.token = std::move(token);
    return Answer(std::move(established.grant));
}

}  // namespace

Result<std::unique_ptr<KerberosAcceptor>> KerberosAcceptor::open(KerberosSettings settings) {
    auto keytab = Keytab::open(settings.keytab);
    if (!keytab) return keytab.failure();
    auto credential = GssKerberosAcceptor::acquire(settings, *keytab);
    if (!credential) return credential.failure();
    return std::unique_ptr<KerberosAcceptor>(
        std::make_unique<GssKerberosAcceptor>(std::move(settings), std::move(*keytab), std::move(*credential)));
}

}  // namespace Atoll::auth
