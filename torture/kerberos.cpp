// atoll.kerberos: log-on with Kerberos in SPNEGO, what must not get through, and NTLM beside it. Needs --use-kerberos=required and a user
// with a password for NTLM.
#include "libcli/auth/spnego.h"
#include "libcli/smb/session.h"
#include "torture/test.h"

namespace Atoll::torture {
namespace {

using auth::Mechanism;
using smb::Command;

// One SESSION_SETUP with a token of the test's. The session id of the answer, and its token, are kept for the next.
struct RawLogOn {
    client::Connection& connection;
    uint64_t session_id = 0;
    std::vector<uint8_t> answer = {};

    NtStatus send(Bytes token) {
        smb::SessionSetupRequest request;
        request.security_mode = smb::security_mode::signing_enabled;
        request.security_buffer = token;
        client::RequestOptions options;
        options.session_id = session_id;
        client::Compound compound(connection);
        auto exchange = compound.add(nullptr, 0, Command::session_setup, request, options);
        compound.send();
        (void)connection.wait(exchange);
        if (exchange->message().empty()) return NtStatus::CONNECTION_DISCONNECTED;
        session_id = exchange->header().session_id;
        if (const auto response = smb::SessionSetupResponse::decode(exchange->message()); response.ok())
            answer.assign(response->security_buffer.begin(), response->security_buffer.end());
        return exchange->header().status;
    }
};

auth::KerberosTarget kerberos(const Test& t) { return *t.target.credentials().kerberos; }

std::vector<uint8_t> to_vector(const Buffer& buffer) { return {buffer.data(), buffer.data() + buffer.size()}; }

// KRB_AP_REQ in its frame, out of SPNEGO's.
std::optional<std::vector<uint8_t>> ap_req(Test& t) {
    auth::KerberosInitiator initiator(kerberos(t));
    const auto token = initiator.start();
    if (!token.ok()) return std::nullopt;
    const auto init = auth::NegTokenInit::decode(*token);
    if (!init.ok() || !init->mech_token) return std::nullopt;
    return std::vector<uint8_t>(init->mech_token->begin(), init->mech_token->end());
}

std::vector<uint8_t> init_with(Bytes mech_token, const std::vector<Mechanism>& mechanisms = {Mechanism::ms_kerberos, Mechanism::kerberos}) {
    Buffer out;
    auth::encode_neg_token_init(mechanisms, mech_token, out);
    return to_vector(out);
}

// Writes and reads through a session of each kind.
void use(Test& t, const client::NegotiateOptions& options, const client::LogOnOptions& log_on) {
    REQUIRE(t, c, t.client(options, log_on));
    const auto content = pattern_bytes(60000);
    REQUIRE(t, f, t.file(*c, "f", content));
    Buffer back;
    CHECK_STATUS(t, f->read(0, 60000, back), NtStatus::SUCCESS);
    CHECK(t, std::ranges::equal(back.bytes(), content), "the data differ");
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
}

void log_on(Test& t) {
    use(t, t.negotiate_options(), {});
    for (const smb::Dialect dialect : {smb::Dialect::smb2_02, smb::Dialect::smb2_10, smb::Dialect::smb3_00, smb::Dialect::smb3_02}) {
        client::LogOnOptions o;
        o.sign = true;
        if (!t.ended()) use(t, t.only(dialect), o);
    }
}

// MS-SMB2 3.3.5.5.3: Session.FullSessionKey, which is longer than Session.SessionKey where the ticket's keys are, for ciphers of 256 bits.
void sealed(Test& t) {
    for (const smb::Cipher cipher : {smb::Cipher::aes128_gcm, smb::Cipher::aes256_gcm, smb::Cipher::aes256_ccm}) {
        auto options = t.only(smb::Dialect::smb3_11);
        options.ciphers = {cipher};
        client::LogOnOptions o;
        o.seal = true;
        if (!t.ended()) use(t, options, o);
    }
}

void reauthenticate(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(100)));
    CHECK_STATUS(t, c->session->log_on(t.target.credentials()), NtStatus::SUCCESS);
    Buffer back;
    CHECK_STATUS(t, f->read(0, 100, back), NtStatus::SUCCESS);
}

// RFC 4178 5: Kerberos is not the first choice, so both sides prove that they have seen the same list.
void mech_list_mic(Test& t) {
    auto credentials = t.target.credentials();
    credentials.kerberos->mechanisms = {Mechanism::negoex, Mechanism::ms_kerberos, Mechanism::kerberos, Mechanism::ntlmssp};
    REQUIRE(t, connection, t.negotiate());
    client::Session session(*connection);
    CHECK_STATUS(t, session.log_on(credentials), NtStatus::SUCCESS);
    client::Tree tree(session);
    CHECK_STATUS(t, tree.connect(t.target.share_path()), NtStatus::SUCCESS);
    // Once more in the process that now serves the client.
    client::Session second(*connection);
    CHECK_STATUS(t, second.log_on(credentials), NtStatus::SUCCESS);
}

// The same with a MIC that is spoiled, and without one.
void wrong_mech_list_mic(Test& t) {
    for (const bool missing : {false, true}) {
        auto target = kerberos(t);
        target.mechanisms = {Mechanism::negoex, Mechanism::kerberos};
        auth::KerberosInitiator initiator(target);
        REQUIRE(t, connection, t.negotiate());
        RawLogOn raw{*connection};
        REQUIRE(t, first, initiator.start());
        CHECK_STATUS(t, raw.send(*first), NtStatus::MORE_PROCESSING_REQUIRED);
        REQUIRE(t, second, initiator.answer(raw.answer));
        CHECK_STATUS(t, raw.send(*second), NtStatus::MORE_PROCESSING_REQUIRED);
        REQUIRE(t, third, initiator.answer(raw.answer));
        third->back() ^= 1;
        if (missing) *third = {0xA1, 0x07, 0x30, 0x05, 0xA0, 0x03, 0x0A, 0x01, 0x01};
        CHECK_STATUS(t, raw.send(*third), missing ? NtStatus::INVALID_PARAMETER : NtStatus::LOGON_FAILURE);
        CHECK_STATUS(t, raw.send(*third), NtStatus::USER_SESSION_DELETED);
    }
}

// RFC 4120 3.2.3: an authenticator counts once, whoever sends it.
void replay(Test& t) {
    REQUIRE(t, request, ap_req(t));
    REQUIRE(t, connection, t.negotiate());
    RawLogOn first{*connection};
    CHECK_STATUS(t, first.send(init_with(*request)), NtStatus::SUCCESS);
    for (int i = 0; i < 2; i++) {
        REQUIRE(t, other, t.negotiate());
        RawLogOn again{*other};
        CHECK_STATUS(t, again.send(init_with(*request)), NtStatus::LOGON_FAILURE);
    }
    REQUIRE(t, fresh, ap_req(t));
    REQUIRE(t, third, t.negotiate());
    RawLogOn raw{*third};
    CHECK_STATUS(t, raw.send(init_with(*fresh)), NtStatus::SUCCESS);
}

// KRB_AP_REQs that are cut, flipped, or none.
void bad_requests(Test& t) {
    REQUIRE(t, good, ap_req(t));
    std::vector<std::vector<uint8_t>> all = {{}, {0x60}, {0x60, 0x84, 0xFF, 0xFF, 0xFF, 0xFF}, pattern_bytes(300), pattern_bytes(60000)};
    for (size_t n = 1; n < good->size(); n += 37) all.emplace_back(good->begin(), good->begin() + static_cast<ptrdiff_t>(n));
    // The ticket's own encrypted part and the authenticator; the names before them are nobody's word.
    for (size_t byte = 160; byte < good->size(); byte += 19) {
        all.push_back(*good);
        all.back()[byte] ^= 0x10;
    }
    all.push_back(*good);
    all.back().push_back(0);
    for (const auto& request : all) {
        REQUIRE(t, connection, t.negotiate());
        RawLogOn raw{*connection};
        const NtStatus status = raw.send(init_with(request));
        // Nothing of a mechanism's is an offer of it, which is answered with a choice.
        const NtStatus expected = request.empty() ? NtStatus::MORE_PROCESSING_REQUIRED : NtStatus::LOGON_FAILURE;
        CHECK(t, status == expected || status == NtStatus::INVALID_PARAMETER, "{} bytes, {}: {}", request.size(), &request - all.data(), to_string(status));
    }
    t.server_alive();
}

void ntlm_token_for_kerberos(Test& t) {
    auto credentials = t.target.credentials();
    const auto negotiate = auth::Initiator(credentials, {false, ""}).start();
    REQUIRE(t, connection, t.negotiate());
    RawLogOn raw{*connection};
    CHECK_STATUS_ONE_OF(t, raw.send(init_with(negotiate)), NtStatus::INVALID_PARAMETER, NtStatus::LOGON_FAILURE);
    RawLogOn second{*connection};
    CHECK_STATUS(t, second.send(init_with({})), NtStatus::MORE_PROCESSING_REQUIRED);
    CHECK_STATUS(t, second.send(negotiate), NtStatus::INVALID_PARAMETER);
}

void ntlm_beside(Test& t) {
    REQUIRE(t, c, t.client());
    auto credentials = t.target.credentials();
    credentials.kerberos.reset();
    client::Session second(*c->connection);
    CHECK_STATUS(t, second.log_on(credentials), NtStatus::SUCCESS);
    REQUIRE(t, connection, t.negotiate());
    client::Session third(*connection);
    CHECK_STATUS(t, third.log_on(credentials), NtStatus::SUCCESS);
    credentials.hash[0] ^= 1;
    client::Session wrong(*connection);
    CHECK_STATUS(t, wrong.log_on(credentials), NtStatus::LOGON_FAILURE);
}

template <void (*run)(Test&)>
void with_tickets(Test& t) {
    if (!t.target.use_kerberos) return t.skip("needs --use-kerberos=required");
    run(t);
}

constexpr TestCase tests[] = {
    {"log_on", "MS-SMB2 3.3.5.5.3", with_tickets<log_on>},
    {"sealed", "MS-SMB2 3.3.5.5.3", with_tickets<sealed>},
    {"reauthenticate", "MS-SMB2 3.3.5.5.2", with_tickets<reauthenticate>},
    {"mech_list_mic", "RFC 4178 5", with_tickets<mech_list_mic>},
    {"wrong_mech_list_mic", "RFC 4178 5", with_tickets<wrong_mech_list_mic>},
    {"replay", "RFC 4120 3.2.3", with_tickets<replay>},
    {"bad_requests", "RFC 4121 4.1", with_tickets<bad_requests>},
    {"ntlm_token_for_kerberos", "RFC 4178 4.2", with_tickets<ntlm_token_for_kerberos>},
    {"ntlm_beside", "RFC 4178 4.2", with_tickets<ntlm_beside>},
};

}  // namespace

const Suite kerberos_suite = {"atoll.kerberos", tests};

}  // namespace Atoll::torture
