// The hand-over of a channel that is to bind to a session, as preauth sees it: the process that holds the session takes it, refuses it, or
// ends meanwhile.
#include "smbd/server/preauth_connection.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

#include "base/bytes.h"
#include "base/limits.h"
#include "libcli/auth/acceptor.h"
#include "libcli/smb/negotiate.h"
#include "libcli/smb/session.h"
#include "smbd/server/handover.h"

namespace Atoll::server {
namespace {

PreauthPolicy make_policy() {
    auto configuration = conf::load_text("[global]\nnetbios name = SERVER\n");
    EXPECT_TRUE(configuration.ok());
    PreauthPolicy policy;
    policy.configuration = std::move(configuration).value();
    policy.negotiate = smb2::negotiate_policy(*policy.configuration, Guid::random());
    policy.negotiate_token = auth::Acceptor::negotiate_token();
    return policy;
}

class BindingHandover : public testing::Test, public PreauthHost {
 protected:
    static constexpr uint64_t session_id = 77;

    void SetUp() override {
        int ends[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
        client_.reset(ends[0]);
        smb2::ChannelState channel;
        channel.peer_address = "192.0.2.1";
        connection_ = std::make_unique<PreauthConnection>(*this, UniqueFd(ends[1]), channel);
        connection_->start();
        negotiate();
        send_binding();
        ASSERT_EQ(asked_, std::vector<uint64_t>{session_id});
    }

    // --- PreauthHost
    loop::Loop& loop() override { return loop_; }
    const PreauthPolicy& policy() override { return policy_; }
    bool ask(PreauthConnection&, verify_request) override {
        ADD_FAILURE() << "nobody logs on here";
        return false;
    }
    bool ask_for_holder(PreauthConnection&, uint64_t id) override {
        asked_.push_back(id);
        return true;
    }
    void end(PreauthConnection&, const char* reason) override { ended_ = reason; }

    void settle() {
        while (loop_.run_once(monotonic_now() + std::chrono::milliseconds(20))) {
        }
    }
    template <class Body>
    void send(smb::Command command, const Body& body, uint64_t session) {
        Buffer frame;
        frame.append_zeros(4);
        ByteWriter out(frame);
        smb::Header header;
        header.command = command;
        header.message_id = next_id_++;
        header.credits = 1;
        header.session_id = session;
        header.encode(out);
        body.encode(out);
        store_be32(frame.data(), static_cast<uint32_t>(frame.size() - 4));
        ASSERT_EQ(::write(client_.get(), frame.data(), frame.size()), static_cast<ssize_t>(frame.size()));
        sent_.assign(frame.bytes().subspan(4));
        settle();
    }
    void negotiate() {
        static constexpr uint16_t dialects[] = {0x0300};
        smb::NegotiateRequest body;
        body.dialects = smb::U16List(std::span<const uint16_t>(dialects));
        send(smb::Command::negotiate, body, 0);
        EXPECT_EQ(answered(), NtStatus::SUCCESS);
    }
    void send_binding() {
        static constexpr uint8_t token[] = {1, 2, 3};
        smb::SessionSetupRequest body;
        body.flags = smb::session_setup_flags::binding;
        body.security_buffer = token;
        send(smb::Command::session_setup, body, session_id);
    }
    // The client's next answer; PENDING: there is none.
    NtStatus answered() {
        std::array<uint8_t, 4096> bytes{};
        const ssize_t n = ::read(client_.get(), bytes.data(), bytes.size());
        if (n < 4) return NtStatus::PENDING;
        const auto header = smb::Header::decode(Bytes(bytes.data() + 4, static_cast<size_t>(n) - 4));
        return header.ok() ? header->status : NtStatus::PENDING;
    }
    // authd has found the session's process, whose end of the socket this is.
    PacketSocket reach_taker() {
        auto pair = PacketSocket::make_pair();
        EXPECT_TRUE(pair);
        connection_->verified(NtStatus::SUCCESS, pair->first.take(), nullptr);
        return std::move(pair->second);
    }

    loop::Loop loop_;
    PreauthPolicy policy_ = make_policy();
    UniqueFd client_;
    std::unique_ptr<PreauthConnection> connection_;
    std::vector<uint64_t> asked_;
    std::string ended_;
    Buffer sent_;
    uint64_t next_id_ = 0;
};

TEST_F(BindingHandover, TheTakerGetsTheRequestAsItCame) {
    PacketSocket taker = reach_taker();
    Packet packet;
    ASSERT_EQ(taker.receive(packet), PacketSocket::Received::packet);
    EXPECT_EQ(packet.kind, PacketKind::handover);
    ASSERT_EQ(packet.descriptors.size(), 1u);
    channel_handover record;
    ASSERT_TRUE(decode(packet.payload, record).ok());
    EXPECT_TRUE(std::ranges::equal(record.frame, sent_.bytes()));
    EXPECT_EQ(record.channel.dialect, 0x0300);
    ASSERT_TRUE(taker.send(PacketKind::taken, {}));
    settle();
    EXPECT_EQ(ended_, "handed over");
    EXPECT_EQ(answered(), NtStatus::PENDING);
}

TEST_F(BindingHandover, WhatTheTakerRefusesWithIsAnsweredAndTheClientMayGoOn) {
    PacketSocket taker = reach_taker();
    bind_refusal refusal;
    refusal.status = to_u32(NtStatus::ACCESS_DENIED);
    ASSERT_TRUE(taker.send(PacketKind::refused, encode_record(refusal)));
    settle();
    EXPECT_EQ(answered(), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(ended_, "");
    send_binding();
    EXPECT_EQ(asked_.size(), 2u);
}

TEST_F(BindingHandover, ARefusalThatCannotBeReadIsOne) {
    PacketSocket taker = reach_taker();
    ASSERT_TRUE(taker.send(PacketKind::refused, {}));
    settle();
    EXPECT_EQ(answered(), NtStatus::INSUFFICIENT_RESOURCES);
}

TEST_F(BindingHandover, IfTheTakerEndsAuthdIsAskedAgainButNotForEver) {
    for (unsigned attempt = 1; attempt < limits::max_handover_attempts; attempt++) {
        { const PacketSocket taker = reach_taker(); }
        settle();
        EXPECT_EQ(asked_.size(), attempt + 1);
        EXPECT_EQ(ended_, "");
    }
    { const PacketSocket taker = reach_taker(); }
    settle();
    EXPECT_EQ(ended_, "nobody takes the client");
}

TEST_F(BindingHandover, ASessionThatIsGoneIsAnsweredForByPreauth) {
    connection_->verified(NtStatus::USER_SESSION_DELETED, {}, nullptr);
    EXPECT_EQ(answered(), NtStatus::USER_SESSION_DELETED);
    EXPECT_EQ(ended_, "");
}

}  // namespace
}  // namespace Atoll::server
