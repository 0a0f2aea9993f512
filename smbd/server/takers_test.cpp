#include "smbd/server/takers.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <optional>

#include "base/bytes.h"
#include "smbd/server/handover.h"
#include "smbd/server/process_packets.h"
#include "smbd/xsrv/message_types.h"
#include "smbd/xsrv/xsrv.idl.h"
#include "tdb/memory/memory_database.h"

namespace Atoll::server {
namespace {

struct Answer {
    NtStatus status = NtStatus::PENDING;
    PacketSocket giver;
};

// A process that waits for a client, as authd sees it.
struct SpareProcess {
    messaging::ServerId id = messaging::ServerId::make(messaging::ProcessClass::client);
    PacketSocket socket;
    void say_ready() { EXPECT_TRUE(socket.send(PacketKind::ready, {})); }
    std::optional<logon_grant> granted() {
        Packet packet;
        logon_grant grant;
        if (socket.receive(packet) != PacketSocket::Received::packet || packet.kind != PacketKind::grant) return std::nullopt;
        return decode(packet.payload, grant) ? std::optional(grant) : std::nullopt;
    }
    bool is_let_go_of() {
        Packet packet;
        return socket.receive(packet) == PacketSocket::Received::ended;
    }
};

class TakersTest : public testing::Test {
 protected:
    void SetUp() override {
        ASSERT_NE(::mkdtemp(directory_.data()), nullptr);
        auto mailbox = messaging::MessageSocket::open(directory_, messaging::ProcessClass::authd);
        ASSERT_TRUE(mailbox) << mailbox.error().message();
        messaging_ = messaging::make_local_messaging(loop_, std::move(*mailbox));
        auto pair = PacketSocket::make_pair();
        ASSERT_TRUE(pair);
        listener_ = std::move(pair->first);
        to_listener_ = std::move(pair->second);
        takers_ = std::make_unique<Takers>(loop_, *messaging_, to_listener_, *clients_, *sessions_);
    }
    void TearDown() override {
        takers_.reset();
        messaging_.reset();
        std::filesystem::remove_all(directory_);
    }
    void settle() {
        while (loop_.run_once(monotonic_now() + std::chrono::milliseconds(20))) {
        }
    }
    SpareProcess spare(bool ready = true) {
        SpareProcess process;
        auto pair = PacketSocket::make_pair();
        process.socket = std::move(pair->first);
        takers_->spare_came(process.id, std::move(pair->second));
        if (ready) process.say_ready();
        settle();
        return process;
    }
    std::shared_ptr<Answer> log_on(const Guid& guid, uint16_t dialect = 0x0311) {
        auto answer = std::make_shared<Answer>();
        verify_request request;
        request.client_guid = guid;
        request.dialect = dialect;
        logon_grant grant;
        grant.session_id = ++last_session_;
        takers_->give(request, grant, [answer](NtStatus status, PacketSocket giver) {
            answer->status = status;
            answer->giver = std::move(giver);
        });
        return answer;
    }
    std::optional<messaging::ServerId> listener_hears() {
        Packet packet;
        if (listener_.receive(packet) != PacketSocket::Received::packet || packet.kind != PacketKind::spare_taken) return std::nullopt;
        return process_of(packet);
    }
    void store_session(uint64_t id, const messaging::ServerId& owner) {
        xsrv::session_global record;
        record.session_id = id;
        record.owner = owner.to_record();
        std::array<uint8_t, 8> key{};
        store_be32(key.data(), static_cast<uint32_t>(id));  // the half with the slot comes first
        ASSERT_TRUE(sessions_->store(key, encode_record(record)).ok());
    }
    std::optional<uint64_t> owner_of(const Guid& guid) {
        Buffer value;
        xsrv::client_global record;
        const auto found = clients_->fetch(guid.bytes, value);
        if (!found || !*found || !decode(value, record)) return std::nullopt;
        return record.owner.unique_id;
    }

    std::string directory_ = "/tmp/atoll_takers_XXXXXX";
    loop::Loop loop_;
    std::unique_ptr<messaging::Messaging> messaging_;
    std::unique_ptr<tdb::MemoryDatabase> clients_ = tdb::MemoryDatabase::open({});
    std::unique_ptr<tdb::MemoryDatabase> sessions_ = tdb::MemoryDatabase::open({});
    PacketSocket listener_, to_listener_;
    std::unique_ptr<Takers> takers_;
    uint64_t last_session_ = 0;
};

TEST_F(TakersTest, AReadySpareGetsTheGrantAndStandsInTheClientsRecord) {
    SpareProcess process = spare();
    const Guid guid = Guid::random();
    const auto answer = log_on(guid);
    EXPECT_EQ(answer->status, NtStatus::SUCCESS);
    const auto grant = process.granted();
    ASSERT_TRUE(grant);
    EXPECT_EQ(grant->session_id, 1u);
    EXPECT_EQ(grant->client_guid, guid);
    EXPECT_EQ(owner_of(guid), process.id.unique_id);
    EXPECT_EQ(listener_hears(), process.id);
    // What preauth has is the other end.
    ASSERT_TRUE(answer->giver.send(PacketKind::handover, {}));
    Packet packet;
    EXPECT_EQ(process.socket.receive(packet), PacketSocket::Received::packet);
    EXPECT_EQ(packet.kind, PacketKind::handover);
}

TEST_F(TakersTest, ASpareThatIsNotReadyIsWaitedFor) {
    SpareProcess process = spare(false);
    const auto answer = log_on(Guid::random());
    EXPECT_EQ(answer->status, NtStatus::PENDING);
    EXPECT_FALSE(process.granted());
    process.say_ready();
    settle();
    EXPECT_EQ(answer->status, NtStatus::SUCCESS);
    EXPECT_TRUE(process.granted());
}

TEST_F(TakersTest, WhoeverWaitsLongestComesFirst) {
    const auto first = log_on(Guid::random()), second = log_on(Guid::random());
    SpareProcess process = spare();
    EXPECT_EQ(first->status, NtStatus::SUCCESS);
    EXPECT_EQ(second->status, NtStatus::PENDING);
    SpareProcess next = spare();
    EXPECT_EQ(second->status, NtStatus::SUCCESS);
}

TEST_F(TakersTest, WhereThereIsNoneToBeHadNobodyWaits) {
    const auto waiting = log_on(Guid::random());
    takers_->no_spare();
    EXPECT_EQ(waiting->status, NtStatus::INSUFFICIENT_RESOURCES);
    EXPECT_EQ(log_on(Guid::random())->status, NtStatus::INSUFFICIENT_RESOURCES);
    SpareProcess process = spare();
    EXPECT_EQ(log_on(Guid::random())->status, NtStatus::SUCCESS);
    EXPECT_EQ(log_on(Guid::random())->status, NtStatus::PENDING);
}

TEST_F(TakersTest, ASpareThatHasEndedIsPassedOver) {
    { const SpareProcess ended = spare(); }
    SpareProcess process = spare();
    { const SpareProcess ended = spare(); }
    settle();
    EXPECT_EQ(log_on(Guid::random())->status, NtStatus::SUCCESS);
    EXPECT_TRUE(process.granted());
    EXPECT_EQ(log_on(Guid::random())->status, NtStatus::PENDING);
}

TEST_F(TakersTest, SparesOfAFormerConfigurationAreLetGoOf) {
    SpareProcess ready = spare(), unready = spare(false);
    takers_->let_go_of_spares();
    EXPECT_TRUE(ready.is_let_go_of());
    EXPECT_TRUE(unready.is_let_go_of());
    EXPECT_EQ(log_on(Guid::random())->status, NtStatus::PENDING);
}

TEST_F(TakersTest, AClientWithoutMultichannelIsInNoRecord) {
    const Guid guid = Guid::random();
    SpareProcess one = spare(), other = spare();
    EXPECT_EQ(log_on(guid, 0x0210)->status, NtStatus::SUCCESS);
    EXPECT_EQ(log_on(Guid{})->status, NtStatus::SUCCESS);
    EXPECT_EQ(owner_of(guid), std::nullopt);
    EXPECT_EQ(owner_of(Guid{}), std::nullopt);
    EXPECT_TRUE(one.granted()->client_guid.is_zero());
    EXPECT_TRUE(other.granted()->client_guid.is_zero());
}

TEST_F(TakersTest, ASecondConnectionOfAClientGoesToItsProcess) {
    const Guid guid = Guid::random();
    auto mailbox = messaging::MessageSocket::open(directory_, messaging::ProcessClass::client);
    ASSERT_TRUE(mailbox);
    SpareProcess process;
    process.id = mailbox->self();
    auto pair = PacketSocket::make_pair();
    process.socket = std::move(pair->first);
    takers_->spare_came(process.id, std::move(pair->second));
    process.say_ready();
    settle();
    SpareProcess other = spare();
    EXPECT_EQ(log_on(guid)->status, NtStatus::SUCCESS);
    EXPECT_EQ(log_on(guid)->status, NtStatus::SUCCESS);
    EXPECT_FALSE(other.granted());
    auto message = mailbox->receive();
    ASSERT_TRUE(message);
    EXPECT_EQ(message->type, messaging::message_take_channel);
    ASSERT_EQ(message->descriptors.size(), 1u);
    SpareProcess second;
    second.socket = PacketSocket(std::move(message->descriptors[0]));
    EXPECT_EQ(second.granted()->session_id, 2u);
}

TEST_F(TakersTest, AChannelThatBindsGoesToTheProcessThatHoldsTheSession) {
    auto mailbox = messaging::MessageSocket::open(directory_, messaging::ProcessClass::client);
    ASSERT_TRUE(mailbox);
    store_session(77, mailbox->self());
    auto giver = takers_->reach_holder(77);
    ASSERT_TRUE(giver.ok());
    auto message = mailbox->receive();
    ASSERT_TRUE(message);
    EXPECT_EQ(message->type, messaging::message_take_channel);
    ASSERT_EQ(message->descriptors.size(), 1u);
    PacketSocket taker(std::move(message->descriptors[0]));
    Packet packet;
    ASSERT_EQ(taker.receive(packet), PacketSocket::Received::packet);
    EXPECT_EQ(packet.kind, PacketKind::binding);
    ASSERT_TRUE(giver->send(PacketKind::handover, {}));
    ASSERT_EQ(taker.receive(packet), PacketSocket::Received::packet);
    EXPECT_EQ(packet.kind, PacketKind::handover);
}

TEST_F(TakersTest, ASessionThatIsNotThereOrWhoseProcessHasEndedIsNotBoundTo) {
    auto unknown = takers_->reach_holder(78);
    ASSERT_FALSE(unknown.ok());
    EXPECT_EQ(unknown.error(), NtStatus::USER_SESSION_DELETED);
    {
        auto mailbox = messaging::MessageSocket::open(directory_, messaging::ProcessClass::client);
        ASSERT_TRUE(mailbox);
        store_session(79, mailbox->self());
    }
    auto dead = takers_->reach_holder(79);
    ASSERT_FALSE(dead.ok());
    EXPECT_EQ(dead.error(), NtStatus::USER_SESSION_DELETED);
}

class TakersInAClusterTest : public TakersTest {
 protected:
    void SetUp() override {
        TakersTest::SetUp();
        watches_ = std::make_unique<watch::Watches>(loop_, *messaging_, *waiters_);
        watches_->observe(*clients_, "clients");
        takers_->watch_by(*watches_);
    }
    void TearDown() override {
        takers_.reset();
        watches_.reset();
        TakersTest::TearDown();
    }
    // A process that stands in the client's record and, as its id says, is another node's.
    messaging::MessageSocket owner_elsewhere(const Guid& guid) {
        messaging::ServerId id = messaging::ServerId::make(messaging::ProcessClass::client);
        id.node = 5;
        auto mailbox = messaging::MessageSocket::open(directory_, id);
        EXPECT_TRUE(mailbox);
        xsrv::client_global record;
        record.client_guid = guid;
        record.owner = id.to_record();
        EXPECT_TRUE(clients_->store(guid.bytes, encode_record(record)));
        return std::move(*mailbox);
    }

    std::unique_ptr<tdb::MemoryDatabase> waiters_ = tdb::MemoryDatabase::open({.rank = tdb::Rank::watches});
    std::unique_ptr<watch::Watches> watches_;
};

TEST_F(TakersInAClusterTest, AClientOfAnotherNodeComesWhenItsProcessThereHasGone) {
    SpareProcess process = spare();
    const Guid guid = Guid::random();
    auto owner = owner_elsewhere(guid);
    const auto answer = log_on(guid);
    settle();
    EXPECT_EQ(answer->status, NtStatus::PENDING);
    const auto told = owner.receive();
    ASSERT_TRUE(told);
    EXPECT_EQ(told->type, uint32_t{xsrv::message_client_moves});
    EXPECT_FALSE(process.granted());
    ASSERT_TRUE(clients_->remove(guid.bytes));
    settle();
    EXPECT_EQ(answer->status, NtStatus::SUCCESS);
    EXPECT_EQ(owner_of(guid), process.id.unique_id);
    EXPECT_TRUE(process.granted());
}

TEST_F(TakersInAClusterTest, OneWhoseProcessHasEndedComesAtOnce) {
    SpareProcess process = spare();
    const Guid guid = Guid::random();
    { auto owner = owner_elsewhere(guid); }
    const auto answer = log_on(guid);
    EXPECT_EQ(answer->status, NtStatus::SUCCESS);
    EXPECT_EQ(owner_of(guid), process.id.unique_id);
}

}  // namespace
}  // namespace Atoll::server
