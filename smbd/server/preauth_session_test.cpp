#include "smbd/server/preauth_session.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/limits.h"
#include "conf/configuration.h"
#include "libcli/auth/initiator.h"
#include "libcli/auth/verifier.h"
#include "libcli/smb/negotiate.h"
#include "libcli/smb/preauth_hash.h"
#include "libcli/smb/session.h"
#include "smbd/xsrv/slot.h"

namespace Atoll::server {
namespace {

using Action = PreauthSession::Action;

PreauthPolicy make_policy(const std::string& globals = "") {
    auto configuration = conf::load_text("[global]\nnetbios name = SERVER\n" + globals);
    EXPECT_TRUE(configuration.ok());
    PreauthPolicy policy;
    policy.configuration = std::move(configuration).value();
    policy.negotiate = smb2::negotiate_policy(*policy.configuration, Guid::random());
    policy.negotiate_token = auth::Acceptor::negotiate_token();
    return policy;
}

// A client of one PreauthSession.
class Peer {
 public:
    explicit Peer(const PreauthPolicy& policy) : session(policy, {}) {}

    Action give(const Buffer& frame) {
        response.clear();
        return session.take(frame, response);
    }
    smb::Header answered() const {
        const auto header = smb::Header::decode(response);
        EXPECT_TRUE(header.ok());
        return header.ok() ? *header : smb::Header{};
    }
    smb::Header next_header(smb::Command command) {
        smb::Header header;
        header.command = command;
        header.message_id = next_id++;
        header.credits = 31;
        header.session_id = session_id;
        return header;
    }

    Buffer negotiate_frame(uint16_t dialect) {
        Buffer frame;
        ByteWriter out(frame);
        next_header(smb::Command::negotiate).encode(out);
        const uint16_t dialects[] = {dialect};
        const uint16_t hashes[] = {1};
        smb::NegotiateRequest body;
        body.dialects = smb::U16List(std::span<const uint16_t>(dialects));
        if (dialect == 0x0311) body.contexts.preauth = smb::PreauthCapabilities{smb::U16List(std::span<const uint16_t>(hashes)), {}};
        body.encode(out);
        return frame;
    }
    Buffer setup_frame(Bytes token, uint8_t flags = 0) {
        Buffer frame;
        ByteWriter out(frame);
        next_header(smb::Command::session_setup).encode(out);
        smb::SessionSetupRequest body;
        body.flags = flags;
        body.security_buffer = token;
        body.encode(out);
        return frame;
    }
    Buffer plain_frame(smb::Command command) {
        Buffer frame;
        ByteWriter out(frame);
        next_header(command).encode(out);
        smb::EmptyMessage{}.encode(out);
        return frame;
    }
    void negotiate(uint16_t dialect = 0x0311) {
        ASSERT_EQ(give(negotiate_frame(dialect)), Action::respond);
        ASSERT_EQ(answered().status, NtStatus::SUCCESS);
    }
    // Both tokens of NTLM; the last is given, and its frame returned.
    Buffer prove(auth::Initiator& initiator) {
        EXPECT_EQ(give(setup_frame(initiator.start())), Action::respond);
        EXPECT_EQ(answered().status, NtStatus::MORE_PROCESSING_REQUIRED);
        session_id = answered().session_id;
        const auto body = smb::SessionSetupResponse::decode(response);
        EXPECT_TRUE(body.ok());
        const auto token = initiator.answer(body->security_buffer);
        EXPECT_TRUE(token.ok());
        Buffer last = setup_frame(*token);
        EXPECT_EQ(give(last), Action::verify);
        return last;
    }

    PreauthSession session;
    Buffer response;
    uint64_t next_id = 0;
    uint64_t session_id = 0;
};

auth::Credentials user() { return {"user", "DOMAIN", *auth::nt_hash("secret"), "WS"}; }

TEST(PreauthSession, ALogOnUpToTheProof) {
    const PreauthPolicy policy = make_policy();
    for (const uint16_t dialect : std::vector<uint16_t>{0x0202, 0x0210, 0x0300, 0x0302, 0x0311}) {
        Peer peer(policy);
        peer.negotiate(dialect);
        auth::Initiator initiator(user());
        peer.prove(initiator);
        EXPECT_EQ(peer.session.session_id(), peer.session_id);
        EXPECT_NE(peer.session_id, 0u);
        EXPECT_EQ(peer.session.channel().next_message_id, peer.next_id);
        EXPECT_EQ(peer.session.channel().credits, 0u);
        const auth::NtHash hash = *auth::nt_hash("secret");
        EXPECT_TRUE(auth::verify_logon(peer.session.proof(), &hash, auth::NtlmPolicy::ntlmv2_only).ok()) << dialect;
    }
}

TEST(PreauthSession, SessionIdsAreInTheSlotThatItWasTold) {
    const PreauthPolicy policy = make_policy();
    for (const uint32_t slot : {5u, 1023u}) {
        xsrv::set_own_slots([slot] { return std::optional(slot); });
        Peer peer(policy);
        peer.negotiate(0x0311);
        auth::Initiator initiator(user());
        peer.prove(initiator);
        EXPECT_EQ(xsrv::slot_of_session(peer.session_id), slot);
    }
    xsrv::set_own_slots({});
}

TEST(PreauthSession, TheHashCoversEveryMessageOfTheExchange) {
    const PreauthPolicy policy = make_policy();
    Peer peer(policy);
    smb::PreauthHash expected{};
    const Buffer negotiate = peer.negotiate_frame(0x0311);
    ASSERT_EQ(peer.give(negotiate), Action::respond);
    smb::extend_preauth_hash(expected, negotiate);
    smb::extend_preauth_hash(expected, peer.response);
    EXPECT_EQ(peer.session.channel().preauth_hash, expected);
    auth::Initiator initiator(user());
    const Buffer first = peer.setup_frame(initiator.start());
    ASSERT_EQ(peer.give(first), Action::respond);
    smb::extend_preauth_hash(expected, first);
    smb::extend_preauth_hash(expected, peer.response);
    peer.session_id = peer.answered().session_id;
    const auto token = initiator.answer(smb::SessionSetupResponse::decode(peer.response)->security_buffer);
    ASSERT_TRUE(token.ok());
    const Buffer second = peer.setup_frame(*token);
    ASSERT_EQ(peer.give(second), Action::verify);
    smb::extend_preauth_hash(expected, second);
    EXPECT_EQ(peer.session.session_preauth_hash(), expected);
    EXPECT_NE(peer.session.channel().preauth_hash, expected);
}

TEST(PreauthSession, AfterARefusalTheClientMayTryAgain) {
    const PreauthPolicy policy = make_policy();
    Peer peer(policy);
    peer.negotiate();
    auth::Initiator initiator(user());
    peer.prove(initiator);
    peer.response.clear();
    peer.session.refuse(NtStatus::LOGON_FAILURE, peer.response);
    EXPECT_EQ(peer.answered().status, NtStatus::LOGON_FAILURE);
    EXPECT_EQ(peer.answered().message_id, peer.next_id - 1);
    // The refused session is gone.
    EXPECT_EQ(peer.give(peer.setup_frame({})), Action::respond);
    EXPECT_EQ(peer.answered().status, NtStatus::USER_SESSION_DELETED);
    peer.session_id = 0;
    auth::Initiator again(user());
    peer.prove(again);
}

TEST(PreauthSession, TheVerifierMayAskForMore) {
    const PreauthPolicy policy = make_policy("realm = R\nkerberos method = system keytab\n");
    Peer peer(policy);
    peer.negotiate();
    Buffer init;
    const std::vector<uint8_t> request = {0x60, 0x02, 0x01, 0x00};
    auth::encode_neg_token_init({auth::Mechanism::kerberos, auth::Mechanism::ntlmssp}, request, init);
    const Buffer first = peer.setup_frame(init);
    ASSERT_EQ(peer.give(first), Action::verify);
    EXPECT_EQ(peer.session.proof().gss_token, request);
    smb::PreauthHash expected = peer.session.session_preauth_hash();
    const uint64_t id = peer.session.session_id();
    peer.response.clear();
    peer.session.go_on({{0xA1, 0x00}, 5}, peer.response);
    EXPECT_EQ(peer.answered().status, NtStatus::MORE_PROCESSING_REQUIRED);
    EXPECT_EQ(peer.answered().session_id, id);
    smb::extend_preauth_hash(expected, peer.response);

    peer.session_id = id;
    auth::NegTokenResp again;
    again.token = request;
    Buffer wire;
    again.encode(wire);
    const Buffer second = peer.setup_frame(wire);
    ASSERT_EQ(peer.give(second), Action::verify);
    smb::extend_preauth_hash(expected, second);
    EXPECT_EQ(peer.session.session_preauth_hash(), expected);
    EXPECT_EQ(peer.session.session_id(), id);
    EXPECT_EQ(peer.session.proof().exchange, 5u);
    EXPECT_EQ(peer.session.proof().kerberos_tokens, 2);
}

TEST(PreauthSession, NothingComesBeforeNegotiate) {
    const PreauthPolicy policy = make_policy();
    for (const smb::Command command : {smb::Command::session_setup, smb::Command::echo, smb::Command::read}) {
        Peer peer(policy);
        EXPECT_EQ(peer.give(peer.plain_frame(command)), Action::end);
    }
    Peer short_frame(policy);
    Buffer three;
    three.append_zeros(3);
    EXPECT_EQ(short_frame.give(three), Action::end);
}

TEST(PreauthSession, ASecondNegotiateEndsTheConnection) {
    const PreauthPolicy policy = make_policy();
    Peer peer(policy);
    peer.negotiate();
    EXPECT_EQ(peer.give(peer.negotiate_frame(0x0311)), Action::end);
}

TEST(PreauthSession, OtherCommandsHaveNoSession) {
    const PreauthPolicy policy = make_policy();
    Peer peer(policy);
    peer.negotiate();
    for (const smb::Command command : {smb::Command::tree_connect, smb::Command::read, smb::Command::logoff}) {
        EXPECT_EQ(peer.give(peer.plain_frame(command)), Action::respond);
        EXPECT_EQ(peer.answered().status, NtStatus::USER_SESSION_DELETED);
        EXPECT_EQ(peer.answered().command, command);
        EXPECT_EQ(peer.answered().credits, 1);
    }
    EXPECT_EQ(peer.give(peer.plain_frame(smb::Command::echo)), Action::respond);
    EXPECT_EQ(peer.answered().status, NtStatus::SUCCESS);
    // CANCEL takes no message id and has no answer.
    EXPECT_EQ(peer.give(peer.plain_frame(smb::Command::cancel)), Action::respond);
    EXPECT_TRUE(peer.response.empty());
    --peer.next_id;
    EXPECT_EQ(peer.give(peer.plain_frame(smb::Command::echo)), Action::respond);
}

TEST(PreauthSession, MessageIdsAreTakenInOrderAndOnce) {
    const PreauthPolicy policy = make_policy();
    for (const uint64_t id : {uint64_t{0}, uint64_t{2}, ~uint64_t{0}}) {
        Peer peer(policy);
        peer.negotiate();
        peer.next_id = id;
        EXPECT_EQ(peer.give(peer.plain_frame(smb::Command::echo)), Action::end) << id;
    }
    Peer greedy(policy);
    greedy.negotiate();
    Buffer frame = greedy.plain_frame(smb::Command::echo);
    store_le<uint16_t>(frame.data() + 6, 2);  // CreditCharge, with one credit in hand
    EXPECT_EQ(greedy.give(frame), Action::end);
}

TEST(PreauthSession, WithoutMultichannelBindingIsRefused) {
    const PreauthPolicy policy = make_policy("server multi channel support = no\n");
    Peer peer(policy);
    peer.negotiate();
    peer.session_id = 77;
    EXPECT_EQ(peer.give(peer.setup_frame({}, smb::session_setup_flags::binding)), Action::respond);
    EXPECT_EQ(peer.answered().status, NtStatus::REQUEST_NOT_ACCEPTED);
}

TEST(PreauthSession, WhoBindsIsSentToTheSessionsProcess) {
    const PreauthPolicy policy = make_policy();
    Peer peer(policy);
    peer.negotiate();
    peer.session_id = 77;
    EXPECT_EQ(peer.give(peer.setup_frame({}, smb::session_setup_flags::binding)), Action::bind);
    EXPECT_EQ(peer.session.bound_session_id(), 77u);
    EXPECT_TRUE(peer.response.empty());
    peer.session.refuse_binding(NtStatus::USER_SESSION_DELETED, peer.response);
    EXPECT_EQ(peer.answered().status, NtStatus::USER_SESSION_DELETED);
    EXPECT_EQ(peer.answered().session_id, 77u);
    EXPECT_EQ(peer.answered().credits, 1u);
    // It may log on instead.
    peer.session_id = 0;
    auth::Initiator initiator(user());
    peer.prove(initiator);
}

TEST(PreauthSession, BindingToNoSessionIsALogOn) {
    const PreauthPolicy policy = make_policy();
    Peer peer(policy);
    peer.negotiate();
    auth::Initiator initiator(user());
    EXPECT_EQ(peer.give(peer.setup_frame(initiator.start(), smb::session_setup_flags::binding)), Action::respond);
    EXPECT_EQ(peer.answered().status, NtStatus::MORE_PROCESSING_REQUIRED);
}

TEST(PreauthSession, UnfinishedExchangesAreCounted) {
    const PreauthPolicy policy = make_policy();
    Peer peer(policy);
    peer.negotiate();
    for (size_t i = 0; i <= limits::max_preauth_logons; ++i) {
        auth::Initiator initiator(user());
        ASSERT_EQ(peer.give(peer.setup_frame(initiator.start())), Action::respond);
        EXPECT_EQ(peer.answered().status,
                  i < limits::max_preauth_logons ? NtStatus::MORE_PROCESSING_REQUIRED : NtStatus::INSUFFICIENT_RESOURCES);
    }
}

TEST(PreauthSession, ATokenThatIsNoneIsAnErrorNotAnEnd) {
    const PreauthPolicy policy = make_policy();
    Peer peer(policy);
    peer.negotiate();
    const std::vector<uint8_t> noise(100, 0x60);
    EXPECT_EQ(peer.give(peer.setup_frame(noise)), Action::respond);
    EXPECT_EQ(peer.answered().status, NtStatus::INVALID_PARAMETER);
}

TEST(PreauthSession, WhereSealingIsRequiredWhoCannotIsRefused) {
    const PreauthPolicy policy = make_policy("server smb encrypt = required\n");
    Peer peer(policy);
    peer.negotiate(0x0210);
    auth::Initiator initiator(user());
    EXPECT_EQ(peer.give(peer.setup_frame(initiator.start())), Action::respond);
    EXPECT_EQ(peer.answered().status, NtStatus::ACCESS_DENIED);
}

}  // namespace
}  // namespace Atoll::server
