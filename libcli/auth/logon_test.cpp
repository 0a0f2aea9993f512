// Both sides of a log-on against each other and against MS-NLMP 4.2.4.3, and what must not get through.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "base/bytes.h"
#include "libcli/auth/acceptor.h"
#include "libcli/auth/hex_for_test.h"
#include "libcli/auth/initiator.h"
#include "libcli/auth/ntlmssp.h"
#include "libcli/auth/verifier.h"

namespace Atoll::auth {
namespace {

const ServerNames names = {"ATOLL", "WORKGROUP", "atoll.example.org", "example.org"};

Credentials alice(std::string domain = "WORKGROUP") { return {"alice", std::move(domain), *nt_hash("secret"), "CLIENT"}; }

std::vector<uint8_t> to_vector(const Buffer& b) { return {b.data(), b.data() + b.size()}; }

struct Exchange {
    Initiator client;
    Acceptor server{names};
    LogonProof proof;

    explicit Exchange(Credentials credentials, bool spnego = true) : client(std::move(credentials), {spnego, "cifs/atoll"}) {}
    void run() {
        auto challenge = server.step(client.start());
        ASSERT_TRUE(challenge.ok());
        ASSERT_FALSE(challenge->proof.has_value());
        auto answer = client.answer(challenge->token);
        ASSERT_TRUE(answer.ok());
        auto last = server.step(*answer);
        ASSERT_TRUE(last.ok());
        ASSERT_TRUE(last->proof.has_value());
        proof = *last->proof;
    }
};

TEST(Logon, BothSidesAgree) {
    for (const bool spnego : {true, false}) {
        Exchange e(alice(), spnego);
        e.run();
        EXPECT_EQ(e.proof.user, "alice");
        EXPECT_EQ(e.proof.domain, "WORKGROUP");
        EXPECT_EQ(e.proof.workstation, "CLIENT");
        EXPECT_FALSE(e.proof.is_anonymous);
        const NtHash hash = *nt_hash("secret");
        const auto outcome = verify_logon(e.proof, &hash, NtlmPolicy::ntlmv2_only);
        ASSERT_TRUE(outcome.ok());
        EXPECT_EQ(hex(outcome->session_key), hex(e.client.session_key()));
        EXPECT_EQ(outcome->token.empty(), !spnego);
        EXPECT_TRUE(e.client.finish(outcome->token, true).ok());
        if (!spnego) continue;
        auto wrong = outcome->token;
        wrong.back() ^= 1;  // the sequence number of the server's mechListMIC
        EXPECT_EQ(e.client.finish(wrong, true).error(), NtStatus::ACCESS_DENIED);
    }
}

TEST(Logon, ProofSurvivesTheWayToAuthd) {
    Exchange e(alice());
    e.run();
    Buffer wire;
    encode(e.proof, wire);
    LogonProof there;
    ASSERT_TRUE(decode(wire, there).ok());
    EXPECT_EQ(there, e.proof);
    for (size_t n = 0; n < wire.size(); n += 7) EXPECT_FALSE(decode(wire.bytes().first(n), there).ok());
    wire.append_zeros(1);
    EXPECT_FALSE(decode(wire, there).ok());
}

TEST(Logon, WrongPasswordAndUnknownUserReadTheSame) {
    Exchange e(alice());
    e.run();
    const NtHash wrong = *nt_hash("Secret");
    EXPECT_EQ(verify_logon(e.proof, &wrong, NtlmPolicy::ntlmv2_only).error(), NtStatus::LOGON_FAILURE);
    EXPECT_EQ(verify_logon(e.proof, nullptr, NtlmPolicy::ntlmv2_only).error(), NtStatus::LOGON_FAILURE);
    const NtHash right = *nt_hash("secret");
    EXPECT_EQ(verify_logon(e.proof, &right, NtlmPolicy::disabled).error(), NtStatus::NTLM_BLOCKED);
}

TEST(Logon, DomainMayBeLeftOutOfTheHash) {
    Exchange e(alice(""));
    e.run();
    e.proof.domain = "SOMEWHERE";  // the message MIC covers the message as sent, not this field
    const NtHash hash = *nt_hash("secret");
    EXPECT_TRUE(verify_logon(e.proof, &hash, NtlmPolicy::ntlmv2_only).ok());
}

// Everything that a man in the middle could change is covered by a digest.
TEST(Logon, ChangesAreSeen) {
    Exchange e(alice());
    e.run();
    const NtHash hash = *nt_hash("secret");
    const std::function<void(LogonProof&)> changes[] = {
        [](LogonProof& p) { p.nt_response[0] ^= 1; },
        [](LogonProof& p) { p.nt_response[40] ^= 1; },
        [](LogonProof& p) { p.server_challenge[0] ^= 1; },
        [](LogonProof& p) { p.user = "bob"; },
        [](LogonProof& p) { p.negotiate_message[12] ^= 0x10; },
        [](LogonProof& p) { p.challenge_message[20] ^= 0x10; },
        [](LogonProof& p) { p.authenticate_message[60] ^= 0x10; },
        [](LogonProof& p) { p.authenticate_message[NtlmAuthenticate::mic_offset] ^= 1; },
        [](LogonProof& p) { p.mech_types.back() ^= 1; },
        [](LogonProof& p) { p.client_mic[5] ^= 1; },
        [](LogonProof& p) { p.client_mic.clear(), p.mic_required = true; },
        [](LogonProof& p) { p.encrypted_session_key[3] ^= 1; },
    };
    for (size_t i = 0; i < std::size(changes); i++) {
        LogonProof changed = e.proof;
        changes[i](changed);
        const auto outcome = verify_logon(changed, &hash, NtlmPolicy::ntlmv2_only);
        ASSERT_FALSE(outcome.ok()) << i;
        EXPECT_EQ(outcome.error(), NtStatus::LOGON_FAILURE) << i;
    }
    LogonProof no_key = e.proof;
    no_key.encrypted_session_key.clear();
    EXPECT_EQ(verify_logon(no_key, &hash, NtlmPolicy::ntlmv2_only).error(), NtStatus::INVALID_PARAMETER);
}

TEST(Logon, Anonymous) {
    for (const bool spnego : {true, false}) {
        Exchange e({}, spnego);
        e.run();
        EXPECT_TRUE(e.proof.is_anonymous);
        const auto outcome = accept_anonymous(e.proof);
        EXPECT_TRUE(e.client.finish(outcome.token, false).ok());
    }
}

TEST(Logon, GuestGetsNoMic) {
    Exchange e(alice());
    e.run();
    const auto outcome = accept_guest(e.proof);
    EXPECT_TRUE(outcome.session_key.empty());
    EXPECT_EQ(hex(outcome.token), "a1073005a0030a0100");
    EXPECT_TRUE(e.client.finish(outcome.token, false).ok());
}

// MS-NLMP 4.2.4.3
constexpr std::string_view published_authenticate =
    "4e544c4d5353500003000000180018006c00000054005400840000000c000c00480000000800080054000000100010005c00000010001000d8000000"
    "358288e20501280a0000000f44006f006d00610069006e00550073006500720043004f004d0050005500540045005200"
    "86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa"
    "68cd0ab851e51c96aabc927bebef6a1c01010000000000000000000000000000aaaaaaaaaaaaaaaa0000000002000c0044006f006d00610069006e0001"
    "000c005300650072007600650072000000000000000000c5dad2544fc9799094ce1ce90bc9d03e";

LogonProof published_proof() {
    const auto message = unhex(published_authenticate);
    const auto decoded = NtlmAuthenticate::decode(message);
    EXPECT_TRUE(decoded.ok());
    LogonProof proof;
    proof.user = decoded->user;
    proof.domain = decoded->domain;
    proof.flags = decoded->flags;
    proof.nt_response = decoded->nt_response;
    proof.lm_response = decoded->lm_response;
    proof.encrypted_session_key = decoded->encrypted_session_key;
    proof.authenticate_message = message;
    const auto challenge = unhex("0123456789abcdef");
    std::copy(challenge.begin(), challenge.end(), proof.server_challenge.begin());
    return proof;
}

TEST(Logon, PublishedMessage) {
    const LogonProof proof = published_proof();
    EXPECT_EQ(proof.user, "User");
    EXPECT_EQ(proof.domain, "Domain");
    const NtHash hash = *nt_hash("Password");
    const auto outcome = verify_logon(proof, &hash, NtlmPolicy::ntlmv2_only);
    ASSERT_TRUE(outcome.ok());
    EXPECT_EQ(hex(outcome->session_key), "55555555555555555555555555555555");
    EXPECT_TRUE(outcome->token.empty());
}

// MS-NLMP 4.2.2.3, 4.2.3.3: only by policy.
TEST(Logon, NtlmV1ByPolicyOnly) {
    LogonProof plain = published_proof();
    plain.flags = 0xe2028233;
    plain.nt_response = unhex("67c43011f30298a2ad35ece64f16331c44bdbed927841f94");
    plain.encrypted_session_key = unhex("518822b1b3f350c8958682ecbb3e3cb7");
    const NtHash hash = *nt_hash("Password");
    EXPECT_EQ(verify_logon(plain, &hash, NtlmPolicy::ntlmv2_only).error(), NtStatus::LOGON_FAILURE);
    const auto outcome = verify_logon(plain, &hash, NtlmPolicy::ntlmv1_permitted);
    ASSERT_TRUE(outcome.ok());
    EXPECT_EQ(hex(outcome->session_key), "55555555555555555555555555555555");

    LogonProof extended = published_proof();
    extended.flags = 0x820a8233;
    extended.lm_response = unhex("aaaaaaaaaaaaaaaa00000000000000000000000000000000");
    extended.nt_response = unhex("7537f803ae367128ca458204bde7caf81e97ed2683267232");
    const auto second = verify_logon(extended, &hash, NtlmPolicy::ntlmv1_permitted);
    ASSERT_TRUE(second.ok());
    EXPECT_EQ(hex(second->session_key), "eb93429a8bd952f8b89c55b87f475edc");
    extended.nt_response[3] ^= 1;
    EXPECT_FALSE(verify_logon(extended, &hash, NtlmPolicy::ntlmv1_permitted).ok());
}

TEST(Acceptor, KerberosFirstMeansRequestMic) {
    const auto krb_token = unhex("6082");
    Buffer init;
    encode_neg_token_init({Mechanism::ms_kerberos, Mechanism::kerberos, Mechanism::ntlmssp}, krb_token, init);
    Acceptor server(names);
    auto step = server.step(init);
    ASSERT_TRUE(step.ok());
    auto reply = NegTokenResp::decode(step->token);
    ASSERT_TRUE(reply.ok());
    EXPECT_EQ(reply->state, NegState::request_mic);
    EXPECT_EQ(reply->mechanism, Mechanism::ntlmssp);
    EXPECT_FALSE(reply->token.has_value());

    Initiator client(alice(), {false, ""});
    NegTokenResp next;
    const auto negotiate = client.start();
    next.token = negotiate;
    Buffer wire;
    next.encode(wire);
    step = server.step(wire);
    ASSERT_TRUE(step.ok());
    reply = NegTokenResp::decode(step->token);
    ASSERT_TRUE(reply.ok() && reply->token.has_value());
    EXPECT_FALSE(reply->mechanism.has_value());
    const auto answer = client.answer(*reply->token);
    ASSERT_TRUE(answer.ok());

    const auto list = encode_mech_types({Mechanism::ms_kerberos, Mechanism::kerberos, Mechanism::ntlmssp});
    const auto mic = NtlmSecurity(NtlmSide::client, client.flags(), client.session_key()).sign_mech_list(list);
    next.token = *answer;
    next.mic = mic;
    wire.clear();
    next.encode(wire);
    step = server.step(wire);
    ASSERT_TRUE(step.ok() && step->proof.has_value());
    EXPECT_TRUE(step->proof->mic_required);
    const NtHash hash = *nt_hash("secret");
    EXPECT_TRUE(verify_logon(*step->proof, &hash, NtlmPolicy::ntlmv2_only).ok());
    step->proof->client_mic.clear();
    EXPECT_FALSE(verify_logon(*step->proof, &hash, NtlmPolicy::ntlmv2_only).ok());
}

std::vector<uint8_t> init_of(const std::vector<Mechanism>& mechanisms, Bytes token) {
    Buffer out;
    encode_neg_token_init(mechanisms, token, out);
    return to_vector(out);
}

TEST(Acceptor, AKerberosTokenIsProofAtOnce) {
    const auto request = unhex("6082aabb");
    for (const Mechanism first : {Mechanism::ms_kerberos, Mechanism::kerberos}) {
        Acceptor server(names, true);
        const auto step = server.step(init_of({first, Mechanism::ntlmssp}, request));
        ASSERT_TRUE(step.ok() && step->proof.has_value());
        EXPECT_EQ(step->proof->mechanism, logon_mechanism::MECHANISM_KERBEROS);
        EXPECT_EQ(step->proof->gss_token, request);
        EXPECT_EQ(step->proof->truncated_oid, first == Mechanism::ms_kerberos);
        EXPECT_TRUE(step->proof->name_mechanism);
        EXPECT_FALSE(step->proof->mic_required);
        EXPECT_EQ(step->proof->exchange, 0u);
        EXPECT_FALSE(server.step(init_of({first}, request)).ok()) << "while the verifier is asked";
    }
}

TEST(Acceptor, KerberosBehindSomethingElseNeedsAMic) {
    const auto request = unhex("6082aabb");
    Acceptor server(names, true);
    auto step = server.step(init_of({Mechanism::negoex, Mechanism::kerberos, Mechanism::ntlmssp}, unhex("4e45")));
    ASSERT_TRUE(step.ok());
    EXPECT_FALSE(step->proof.has_value()) << "the optimistic token is another mechanism's";
    const auto reply = NegTokenResp::decode(step->token);
    ASSERT_TRUE(reply.ok());
    EXPECT_EQ(reply->state, NegState::request_mic);
    EXPECT_EQ(reply->mechanism, Mechanism::kerberos);
    NegTokenResp next;
    next.token = request;
    Buffer wire;
    next.encode(wire);
    step = server.step(wire);
    ASSERT_TRUE(step.ok() && step->proof.has_value());
    EXPECT_TRUE(step->proof->mic_required);
    EXPECT_FALSE(step->proof->name_mechanism) << "it has been named";
    EXPECT_EQ(hex(step->proof->mech_types), hex(encode_mech_types({Mechanism::negoex, Mechanism::kerberos, Mechanism::ntlmssp})));
    server.go_on(77);
    NegTokenResp last;
    const auto mic = unhex("0404");
    last.mic = mic;
    wire.clear();
    last.encode(wire);
    step = server.step(wire);
    ASSERT_TRUE(step.ok() && step->proof.has_value());
    EXPECT_EQ(step->proof->exchange, 77u);
    EXPECT_EQ(step->proof->client_mic, mic);
    EXPECT_TRUE(step->proof->gss_token.empty());
}

TEST(Acceptor, KerberosTokensAreCounted) {
    Acceptor server(names, true);
    const auto request = unhex("6082aabb");
    ASSERT_TRUE(server.step(init_of({Mechanism::kerberos}, request)).ok());
    NegTokenResp again;
    again.token = request;
    Buffer wire;
    again.encode(wire);
    for (int i = 0; i < 2; i++) {
        server.go_on(0);
        ASSERT_TRUE(server.step(wire).ok());
    }
    server.go_on(0);
    EXPECT_FALSE(server.step(wire).ok());
}

TEST(Acceptor, KerberosIsOfferedOnlyWhereItIsTaken) {
    const auto with = Acceptor::negotiate_token(true);
    const auto init = NegTokenInit::decode(with);
    ASSERT_TRUE(init.ok());
    EXPECT_EQ(init->mechanisms, (std::vector<Mechanism>{Mechanism::ms_kerberos, Mechanism::kerberos, Mechanism::ntlmssp}));
    Acceptor without(names, false);
    EXPECT_FALSE(without.step(init_of({Mechanism::kerberos}, unhex("6082aabb"))).ok());
    Acceptor chosen(names, true);
    ASSERT_TRUE(chosen.step(init_of({Mechanism::kerberos}, {})).ok());
    EXPECT_FALSE(chosen.step(Initiator(alice(), {false, ""}).start()).ok()) << "NTLM where Kerberos was chosen";
}

TEST(Acceptor, RefusesWhatIsOutOfTurn) {
    const auto refused = [](std::initializer_list<std::vector<uint8_t>> tokens) {
        Acceptor server(names);
        bool ok = true;
        for (const auto& token : tokens) ok = server.step(token).ok();
        return !ok;
    };
    const auto init = Initiator(alice()).start();
    const auto bare = Initiator(alice(), {false, ""}).start();
    EXPECT_TRUE(refused({{}}));
    EXPECT_TRUE(refused({{0x60}}));
    EXPECT_TRUE(refused({unhex(published_authenticate)}));
    EXPECT_TRUE(refused({init, init}));
    EXPECT_TRUE(refused({init, bare}));
    EXPECT_TRUE(refused({bare, bare}));
    EXPECT_TRUE(refused({bare, init}));
    Buffer only_kerberos;
    encode_neg_token_init({Mechanism::kerberos}, {}, only_kerberos);
    EXPECT_TRUE(refused({to_vector(only_kerberos)}));
    Acceptor server(names);
    ASSERT_TRUE(server.step(bare).ok());
    EXPECT_FALSE(server.step({}).ok());
    EXPECT_FALSE(server.step(unhex(published_authenticate)).ok()) << "an exchange that failed is over";
}

TEST(Ntlmssp, FieldsStayInTheMessage) {
    auto message = unhex(published_authenticate);
    ASSERT_TRUE(NtlmAuthenticate::decode(message).ok());
    for (size_t n = 0; n < message.size(); n++) EXPECT_FALSE(NtlmAuthenticate::decode(Bytes(message).first(n)).ok()) << n;
    auto reaches_header = message;
    store_le<uint32_t>(reaches_header.data() + 40, 60);  // the user name's offset
    EXPECT_FALSE(NtlmAuthenticate::decode(reaches_header).ok());
    auto past_end = message;
    store_le<uint32_t>(past_end.data() + 40, 0xFFFFFFFC);
    EXPECT_FALSE(NtlmAuthenticate::decode(past_end).ok());
    auto odd = message;
    store_le<uint16_t>(odd.data() + 36, 7);
    EXPECT_FALSE(NtlmAuthenticate::decode(odd).ok());
    auto lone_surrogate = message;
    lone_surrogate[0x55] = 0xD8;
    EXPECT_FALSE(NtlmAuthenticate::decode(lone_surrogate).ok());
}

TEST(Ntlmssp, ChallengeRoundTrip) {
    NtlmChallenge challenge;
    challenge.flags = 0xe28a8233;
    challenge.target_name = "Server";
    challenge.target_info = unhex("02000c0044006f006d00610069006e0001000c0053006500720076006500720000000000");
    challenge.challenge = {1, 2, 3, 4, 5, 6, 7, 8};
    Buffer out;
    challenge.encode(out);
    const auto again = NtlmChallenge::decode(out);
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(again->flags, challenge.flags);
    EXPECT_EQ(again->target_name, "Server");
    EXPECT_EQ(again->target_info, challenge.target_info);
    EXPECT_EQ(again->challenge, challenge.challenge);
    challenge.target_info.resize(challenge.target_info.size() - 4);  // no terminator
    out.clear();
    challenge.encode(out);
    EXPECT_FALSE(NtlmChallenge::decode(out).ok());
}

// The final token of the published SMB 3.1.1 exchange, byte for byte.
TEST(Spnego, AcceptCompletedWithMic) {
    NegTokenResp response;
    response.state = NegState::accept_completed;
    const auto mic = unhex("010000003932a87523ab660100000000");
    response.mic = mic;
    Buffer out;
    response.encode(out);
    EXPECT_EQ(hex(out), "a11b3019a0030a0100a3120410010000003932a87523ab660100000000");
    const auto again = NegTokenResp::decode(out);
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(again->state, NegState::accept_completed);
    EXPECT_EQ(hex(*again->mic), hex(mic));
}

TEST(Spnego, HintIsReadAsInit) {
    const auto hint = Acceptor::negotiate_token();
    const auto init = NegTokenInit::decode(hint);
    ASSERT_TRUE(init.ok());
    EXPECT_EQ(init->mechanisms, std::vector<Mechanism>{Mechanism::ntlmssp});
    EXPECT_EQ(hex(init->mech_types), "300c060a2b06010401823702020a");
    EXPECT_FALSE(init->mech_token.has_value());
    EXPECT_EQ(spnego_kind(hint), SpnegoKind::init);
}

TEST(Spnego, LengthsMustBeShortestAndFit) {
    EXPECT_TRUE(NegTokenResp::decode(unhex("a1073005a0030a0101")).ok());
    EXPECT_FALSE(NegTokenResp::decode(unhex("a181073005a0030a0101")).ok());    // long form for a short length
    EXPECT_FALSE(NegTokenResp::decode(unhex("a1803005a0030a01010000")).ok());  // indefinite
    EXPECT_FALSE(NegTokenResp::decode(unhex("a1083005a0030a0101")).ok());      // past the end
    EXPECT_FALSE(NegTokenResp::decode(unhex("a1073005a0030a010100")).ok());    // bytes behind it
    EXPECT_FALSE(NegTokenResp::decode(unhex("a1073005a0030a0104")).ok());      // no such state
    EXPECT_FALSE(NegTokenResp::decode(unhex("a184ffffffff3005a0030a0101")).ok());
}

}  // namespace
}  // namespace Atoll::auth
