// The client against a scripted peer: what it does with credits, message ids, interim responses, broken frames. Whole log-ons are
// tested against real servers by smbtorture.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <deque>

#include "libcli/client/file.h"
#include "libcli/smb/error.h"

namespace Atoll::client {
namespace {

using smb::Command;

// The server's end of a socket pair: keeps the requests that come, and answers when told.
class Peer {
 public:
    Peer(loop::Loop& loop, UniqueFd socket)
        : socket_(std::move(socket)), watch_(std::make_unique<loop::FdWatch>(loop, socket_.get(), [this] { readable(); })) {
        watch_->watch_read(true);
    }

    std::deque<Buffer> requests;
    std::function<void(const smb::Header&, Bytes)> on_request;

    template <class Body>
    void answer(const smb::Header& request, NtStatus status, uint16_t credits, const Body& body, uint64_t async_id = 0) {
        Buffer frame;
        ByteWriter out(frame);
        smb::Header h = request;
        h.status = status;
        h.credits = credits;
        h.next_command = 0;
        h.flags = smb::header_flags::server_to_redir | (async_id != 0 ? smb::header_flags::async_command : 0);
        h.async_id = async_id;
        h.encode(out);
        body.encode(out);
        send(frame);
    }
    void send(Bytes frame) {
        std::array<uint8_t, 4> length{};
        store_be32(length.data(), static_cast<uint32_t>(frame.size()));
        send_bytes(length);
        send_bytes(frame);
    }
    void send_bytes(Bytes bytes) {
        ASSERT_EQ(::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
    }
    void close() {
        watch_.reset();
        socket_.reset();
    }

 private:
    void readable() {
        std::array<uint8_t, 65536> part{};
        const ssize_t n = ::recv(socket_.get(), part.data(), part.size(), 0);
        if (n <= 0) return watch_->watch_read(false);
        received_.append(Bytes(part).first(static_cast<size_t>(n)));
        while (received_.size() >= 4 && received_.size() >= 4 + load_be32(received_.data())) {
            const size_t length = load_be32(received_.data());
            Buffer frame;
            frame.append(received_.bytes().subspan(4, length));
            Buffer rest;
            rest.append(received_.bytes().subspan(4 + length));
            received_ = std::move(rest);
            smb::CompoundReader reader(frame);
            while (auto message = reader.next()) {
                requests.emplace_back().append(message->message);
                if (on_request) on_request(message->header, message->message);
            }
        }
    }

    UniqueFd socket_;
    std::unique_ptr<loop::FdWatch> watch_;
    Buffer received_;
};

class ClientTest : public testing::Test {
 protected:
    ClientTest() {
        std::array<int, 2> ends{};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
        connection = std::make_unique<Connection>(loop, UniqueFd(ends[0]));
        connection->set_timeout(std::chrono::seconds(5));
        peer = std::make_unique<Peer>(loop, UniqueFd(ends[1]));
    }

    ExchangePtr start_echo(const RequestOptions& options = {}) {
        Compound compound(*connection);
        auto e = compound.add(nullptr, 0, Command::echo, smb::EmptyMessage{}, options);
        compound.send();
        return e;
    }
    void settle() { (void)loop.run_until(monotonic_now() + std::chrono::milliseconds(20)); }
    void answer_all(uint16_t credits) {
        peer->on_request = [this, credits](const smb::Header& h, Bytes) {
            peer->answer(h, NtStatus::SUCCESS, credits, smb::EmptyMessage{});
        };
    }
    NtStatus negotiate_with(smb::Dialect dialect, uint32_t capabilities, std::optional<smb::Cipher> cipher = {}) {
        peer->on_request = [this, dialect, capabilities, cipher](const smb::Header& h, Bytes) {
            static constexpr std::array<uint16_t, 1> sha512{1};
            const std::array<uint16_t, 1> chosen{static_cast<uint16_t>(cipher.value_or(smb::Cipher::none))};
            smb::NegotiateResponse r;
            r.dialect = dialect;
            r.capabilities = capabilities;
            r.max_read_size = r.max_write_size = r.max_transact_size = 1 << 20;
            r.contexts.preauth = smb::PreauthCapabilities{smb::U16List(std::span<const uint16_t>(sha512)), {}};
            if (cipher) r.contexts.ciphers = smb::U16List(std::span<const uint16_t>(chosen));
            peer->answer(h, NtStatus::SUCCESS, 1, r);
        };
        return connection->negotiate();
    }

    loop::Loop loop;
    std::unique_ptr<Connection> connection;
    std::unique_ptr<Peer> peer;
};

TEST_F(ClientTest, OneCreditOneRequestAtATime) {
    auto first = start_echo();
    auto second = start_echo();
    settle();
    ASSERT_EQ(peer->requests.size(), 1u);
    peer->answer(*smb::Header::decode(peer->requests[0]), NtStatus::SUCCESS, 1, smb::EmptyMessage{});
    EXPECT_EQ(connection->wait(first), NtStatus::SUCCESS);
    settle();
    ASSERT_EQ(peer->requests.size(), 2u);
    EXPECT_EQ(smb::Header::decode(peer->requests[1])->message_id, 1u);
    EXPECT_FALSE(second->done());
}

TEST_F(ClientTest, CreditsAreCounted) {
    answer_all(10);
    EXPECT_EQ(connection->wait(start_echo()), NtStatus::SUCCESS);
    EXPECT_EQ(connection->credits(), 10u);
    EXPECT_EQ(connection->wait(start_echo()), NtStatus::SUCCESS);
    EXPECT_EQ(connection->credits(), 19u);
    EXPECT_EQ(connection->next_message_id(), 2u);
}

TEST_F(ClientTest, ChargeOfLargeRequests) {
    ASSERT_EQ(negotiate_with(smb::Dialect::smb2_10, smb::global_cap::large_mtu), NtStatus::SUCCESS);
    EXPECT_EQ(connection->charge_for(0), 1);
    EXPECT_EQ(connection->charge_for(65536), 1);
    EXPECT_EQ(connection->charge_for(65537), 2);
    EXPECT_EQ(connection->charge_for(8 << 20), 128);
    answer_all(8);
    EXPECT_EQ(connection->wait(start_echo()), NtStatus::SUCCESS);
    const uint64_t before = connection->next_message_id();
    RequestOptions o;
    o.payload = 3 * 65536;
    EXPECT_EQ(connection->wait(start_echo(o)), NtStatus::SUCCESS);
    EXPECT_EQ(connection->next_message_id(), before + 3);
    EXPECT_EQ(smb::Header::decode(peer->requests.back())->credit_charge, 3);
}

TEST_F(ClientTest, CompoundIsLinkedAndPadded) {
    answer_all(10);
    EXPECT_EQ(connection->wait(start_echo()), NtStatus::SUCCESS);
    peer->requests.clear();
    RequestOptions related;
    related.related = true;
    Compound compound(*connection);
    auto first = compound.add(nullptr, 7, Command::create, CreateCall("abc", {}));
    auto second = compound.add(nullptr, 7, Command::close, smb::CloseRequest{0, smb::FileId::related()}, related);
    compound.send();
    EXPECT_EQ(connection->wait(second), NtStatus::SUCCESS);
    EXPECT_TRUE(first->done());
    ASSERT_EQ(peer->requests.size(), 2u);
    EXPECT_EQ(peer->requests[0].size() % 8, 0u);
    auto header = smb::Header::decode(peer->requests[1]);
    EXPECT_TRUE(header->is_related());
    EXPECT_EQ(header->message_id, first->message_id() + 1);
    EXPECT_TRUE(smb::CloseRequest::decode(peer->requests[1])->file_id.is_related());
}

TEST_F(ClientTest, InterimResponseThenCancel) {
    auto e = start_echo();
    settle();
    auto request = *smb::Header::decode(peer->requests.at(0));
    peer->answer(request, NtStatus::PENDING, 1, smb::ErrorResponse{}, 0x77);
    settle();
    EXPECT_FALSE(e->done());
    EXPECT_TRUE(e->interim());
    EXPECT_EQ(e->status(), NtStatus::PENDING);
    connection->cancel(nullptr, e);
    settle();
    ASSERT_EQ(peer->requests.size(), 2u);
    auto cancel = smb::Header::decode(peer->requests[1]);
    EXPECT_EQ(cancel->command, Command::cancel);
    EXPECT_EQ(cancel->message_id, e->message_id());
    EXPECT_TRUE(cancel->is_async());
    EXPECT_EQ(cancel->async_id, 0x77u);
    EXPECT_EQ(connection->credits(), 1u);  // CANCEL takes none
    peer->answer(request, NtStatus::CANCELLED, 0, smb::ErrorResponse{}, 0x77);
    EXPECT_EQ(connection->wait(e), NtStatus::CANCELLED);
}

TEST_F(ClientTest, DisconnectEndsAllThatIsOpen) {
    auto sent = start_echo();
    auto waiting = start_echo();  // for a credit
    int called = 0;
    sent->on_done = waiting->on_done = [&](Exchange&) { ++called; };
    settle();
    peer->close();
    EXPECT_EQ(connection->wait(sent), NtStatus::CONNECTION_DISCONNECTED);
    EXPECT_EQ(connection->wait(waiting), NtStatus::CONNECTION_DISCONNECTED);
    EXPECT_EQ(called, 2);
    EXPECT_FALSE(connection->alive());
    EXPECT_EQ(connection->wait(start_echo()), NtStatus::CONNECTION_DISCONNECTED);
}

TEST_F(ClientTest, TimeOutLeavesTheRequestOpen) {
    auto e = start_echo();
    EXPECT_EQ(connection->wait(e, std::chrono::milliseconds(10)), NtStatus::IO_TIMEOUT);
    peer->answer(*smb::Header::decode(peer->requests.at(0)), NtStatus::SUCCESS, 1, smb::EmptyMessage{});
    EXPECT_EQ(connection->wait(e), NtStatus::SUCCESS);
}

TEST_F(ClientTest, FramesInPieces) {
    auto e = start_echo();
    settle();
    Buffer frame;
    ByteWriter out(frame);
    out.u32_be(smb::header_size + 4);
    smb::Header h;
    h.command = Command::echo;
    h.flags = smb::header_flags::server_to_redir;
    h.encode(out);
    smb::EmptyMessage{}.encode(out);
    for (size_t i = 0; i < frame.size(); ++i) {
        EXPECT_FALSE(e->done());
        peer->send_bytes(frame.bytes().subspan(i, 1));
        (void)loop.run_until(monotonic_now() + std::chrono::milliseconds(1));
    }
    EXPECT_EQ(connection->wait(e), NtStatus::SUCCESS);
}

TEST_F(ClientTest, MalformedFrameEndsTheConnection) {
    auto e = start_echo();
    settle();
    const std::array<uint8_t, 10> garbage{1, 2, 3};
    peer->send(garbage);
    EXPECT_EQ(connection->wait(e), NtStatus::CONNECTION_DISCONNECTED);
}

TEST_F(ClientTest, ResponseToNothingIsIgnored) {
    auto e = start_echo();
    settle();
    smb::Header h = *smb::Header::decode(peer->requests.at(0));
    h.message_id = 999;
    peer->answer(h, NtStatus::SUCCESS, 0, smb::EmptyMessage{});
    settle();
    EXPECT_FALSE(e->done());
    EXPECT_TRUE(connection->alive());
}

TEST_F(ClientTest, BreaksAreHandedOn) {
    smb::FileId broken;
    connection->on_break = [&](Bytes message) {
        if (auto b = smb::OplockBreak::decode(message); b.ok()) broken = b->file_id;
    };
    smb::Header h;
    h.command = Command::oplock_break;
    h.message_id = ~uint64_t{0};
    peer->answer(h, NtStatus::SUCCESS, 0, smb::OplockBreak{smb::OplockLevel::ii, {3, 4}});
    settle();
    EXPECT_EQ(broken, (smb::FileId{3, 4}));
    EXPECT_EQ(connection->credits(), 1u);
}

TEST_F(ClientTest, NegotiateTakesWhatWasOffered) {
    EXPECT_EQ(negotiate_with(smb::Dialect::smb3_11, 0, smb::Cipher::aes128_gcm), NtStatus::SUCCESS);
    EXPECT_EQ(connection->negotiated().cipher, smb::Cipher::aes128_gcm);
    EXPECT_NE(connection->preauth_hash(), smb::PreauthHash{});
}

TEST_F(ClientTest, NegotiateRefusesWhatWasNotOffered) {
    EXPECT_EQ(negotiate_with(static_cast<smb::Dialect>(0x0400), 0), NtStatus::INVALID_NETWORK_RESPONSE);
}

TEST_F(ClientTest, NegotiateRefusesACipherThatWasNotOffered) {
    EXPECT_EQ(negotiate_with(smb::Dialect::smb3_11, 0, static_cast<smb::Cipher>(9)), NtStatus::INVALID_NETWORK_RESPONSE);
}

// MS-SMB2 3.2.5.3: without the key the server cannot answer the challenge of a log-on.
TEST_F(ClientTest, LogOnWithoutAChallengeIsRefused) {
    ASSERT_EQ(negotiate_with(smb::Dialect::smb3_11, 0), NtStatus::SUCCESS);
    peer->on_request = [this](const smb::Header& h, Bytes) {
        smb::Header answer = h;
        answer.session_id = 5;
        peer->answer(answer, NtStatus::SUCCESS, 1, smb::SessionSetupResponse{});
    };
    Session session(*connection);
    auth::Credentials credentials;
    credentials.user = "user";
    EXPECT_EQ(session.log_on(credentials), NtStatus::INVALID_NETWORK_RESPONSE);
}

// MS-SMB2 3.2.5.3.1
TEST_F(ClientTest, GuestIsNoSignedSession) {
    ASSERT_EQ(negotiate_with(smb::Dialect::smb3_11, 0), NtStatus::SUCCESS);
    peer->on_request = [this](const smb::Header& h, Bytes) {
        smb::Header answer = h;
        answer.session_id = 5;
        peer->answer(answer, NtStatus::SUCCESS, 1, smb::SessionSetupResponse{smb::session_flags::is_guest, {}});
    };
    auth::Credentials credentials;
    credentials.user = "user";
    Session session(*connection);
    LogOnOptions wants_signing;
    wants_signing.sign = true;
    EXPECT_EQ(session.log_on(credentials, wants_signing), NtStatus::ACCESS_DENIED);
    Session guest(*connection);
    EXPECT_EQ(guest.log_on(credentials), NtStatus::SUCCESS);
    EXPECT_TRUE(guest.is_guest());
    EXPECT_FALSE(guest.has_keys());
}

TEST_F(ClientTest, HooksSeeAndChangeFrames) {
    answer_all(1);
    size_t frames = 0;
    connection->on_frame = [&](Bytes) { ++frames; };
    connection->before_sign = [](Buffer& frame) { store_le<uint16_t>(frame.data() + 14, 33); };
    EXPECT_EQ(connection->wait(start_echo()), NtStatus::SUCCESS);
    EXPECT_EQ(frames, 1u);
    EXPECT_EQ(smb::Header::decode(peer->requests[0])->credits, 33);
}

}  // namespace
}  // namespace Atoll::client
