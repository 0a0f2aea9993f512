#include "smbd/xsrv/tables.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <map>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "smbd/fsa/brlock.idl.h"
#include "smbd/fsa/disconnected.h"
#include "smbd/fsa/locking.idl.h"
#include "smbd/fsa/notify.idl.h"
#include "smbd/xsrv/databases.h"
#include "smbd/xsrv/xsrv.idl.h"
#include "tdb/memory/memory_database.h"

namespace Atoll::xsrv {
namespace {

// Counts how it is read.
class CountingDatabase final : public tdb::Database {
 public:
    using tdb::Database::Database;
    size_t looks = 0, walks = 0;

    Result<uint32_t> sequence_number() override { return 0u; }
    Result<void> wipe() override { return records_.clear(), Result<void>(); }

 private:
    using Records = std::map<std::string, Buffer, std::less<>>;
    Result<bool> do_parse(Bytes key, tdb::Parser parser) override {
        looks++;
        const auto at = records_.find(as_text(key));
        if (at == records_.end()) return false;
        parser(at->second);
        return true;
    }
    Result<void> do_store(Bytes key, Bytes value, tdb::StoreMode mode) override {
        if (mode == tdb::StoreMode::insert && records_.contains(as_text(key))) return failed(Code::exists, "there already");
        records_[std::string(as_text(key))].assign(value);
        return {};
    }
    Result<bool> do_remove(Bytes key) override { return records_.erase(std::string(as_text(key))) > 0; }
    Result<uint64_t> do_traverse(tdb::Visitor visitor) override {
        walks++;
        std::vector<std::pair<std::string, Buffer>> copies;  // the visitor may remove what it sees
        for (const auto& [key, value] : records_) copies.emplace_back(key, Buffer()).second.assign(value);
        for (const auto& [key, value] : copies) (void)visitor(as_bytes(key), value);
        return copies.size();
    }
    Result<void> do_lock(tdb::HeldRecord&, bool) override { return looks++, Result<void>(); }
    void do_unlock(tdb::HeldRecord&) noexcept override {}
    bool locked_exists(const tdb::HeldRecord& held) const override { return records_.contains(as_text(held.key)); }
    Bytes locked_value(const tdb::HeldRecord& held) const override { return records_.find(as_text(held.key))->second; }
    Result<void> locked_store(tdb::HeldRecord& held, Bytes value) override { return do_store(held.key, value, tdb::StoreMode::replace); }
    Result<void> locked_remove(tdb::HeldRecord& held) override { return (void)do_remove(held.key), Result<void>(); }

    Records records_;
};

class TablesTest : public testing::Test {
 protected:
    void SetUp() override {
        char name[] = "/tmp/atoll_tables_XXXXXX";
        ASSERT_NE(::mkdtemp(name), nullptr);
        directory_ = name;
        auto socket = messaging::MessageSocket::open(directory_, messaging::ProcessClass::client);
        ASSERT_TRUE(socket.ok()) << socket.error().message();
        messaging_ = messaging::make_local_messaging(loop_, std::move(*socket));
        auto opened = open_databases(directory_);
        ASSERT_TRUE(opened.ok()) << opened.error().message();
        clients_ = opened->client.get();
        opened->open = std::make_unique<CountingDatabase>("open", tdb::Rank::open);
        opened->open_index = std::make_unique<CountingDatabase>("index", tdb::Rank::index);
        opened->waiters = tdb::MemoryDatabase::open({"waiters", tdb::Rank::watches});
        opens_ = static_cast<CountingDatabase*>(opened->open.get());
        index_ = static_cast<CountingDatabase*>(opened->open_index.get());
        waiters_ = static_cast<tdb::MemoryDatabase*>(opened->waiters.get());
        tables_ = Tables::on(std::move(*opened), loop_, *messaging_);
    }
    void TearDown() override {
        tables_.reset();
        messaging_.reset();
        std::filesystem::remove_all(directory_);
    }
    bool put_tcon(uint64_t session_id, uint32_t tree_id, std::string share) {
        Tcon tcon;
        tcon.session_id = session_id;
        tcon.id = tree_id;
        tcon.share_name = std::move(share);
        return tables_->put_tcon(tcon).ok();
    }

    loop::Loop loop_;
    std::unique_ptr<messaging::Messaging> messaging_;
    std::string directory_;
    tdb::Database* clients_ = nullptr;
    Buffer encoded_;
    CountingDatabase *opens_ = nullptr, *index_ = nullptr;
    tdb::MemoryDatabase* waiters_ = nullptr;
    std::unique_ptr<Tables> tables_;
};

// MS-SMB2 3.3.5.9: what a CREATE that comes again costs.
TEST_F(TablesTest, APersistentOpenIsFoundByItsCreateGuidHoweverManyThereAre) {
    open_global record;
    durable_open& durable = record.durable.emplace();
    durable.kind = handle_kind::HANDLE_PERSISTENT;
    const auto restore = [&](uint64_t id, const Guid& guid) {
        record.persistent_id = id;
        durable.create_guid = guid;
        const auto restored = tables_->restore_open(record);
        return restored && *restored;
    };
    const Guid wanted = Guid::random();
    ASSERT_TRUE(restore(1, wanted));
    for (const uint64_t count : {10u, 10'000u}) {
        for (uint64_t id = 2; id <= count; id++) (void)restore(id, Guid::random());
        opens_->looks = index_->looks = 0;
        const auto found = tables_->find_persistent_open(wanted);
        ASSERT_TRUE(found);
        EXPECT_EQ(found->persistent_id, 1u);
        EXPECT_EQ(opens_->looks, 1u) << count;
        EXPECT_EQ(index_->looks, 1u) << count;
    }
    EXPECT_EQ(opens_->walks + index_->walks, 0u);
    tables_->remove_disconnected_open(1);
    EXPECT_FALSE(tables_->find_persistent_open(wanted));
    EXPECT_FALSE(*index_->exists(wanted.bytes));
}

TEST_F(TablesTest, ASessionIdIsGivenOnce) {
    Session session(7);
    EXPECT_TRUE(tables_->put_session(session).ok());
    const auto again = tables_->put_session(session);
    ASSERT_FALSE(again.ok());
    EXPECT_EQ(again.error().code, Code::exists);
    tables_->remove_session(7);
    EXPECT_TRUE(tables_->put_session(session).ok());
}

TEST_F(TablesTest, CountsTheTreeConnectsOfAShare) {
    for (uint32_t id = 1; id <= 3; id++) EXPECT_TRUE(put_tcon(1, id, id == 2 ? "other" : "Share"));
    EXPECT_EQ(*tables_->count_tcons("SHARE"), 2u);
    tables_->remove_tcon(1, 1);
    EXPECT_EQ(*tables_->count_tcons("share"), 1u);
}

TEST_F(TablesTest, TheEndOfAHolderTakesItsRecordsAndNoOthers) {
    EXPECT_TRUE(put_tcon(1, 1, "share"));
    tables_->end_holders({messaging::ServerId::make(messaging::ProcessClass::client)});
    EXPECT_EQ(*tables_->count_tcons("share"), 1u);
    tables_->end_holders({messaging_->self()});
    EXPECT_EQ(*tables_->count_tcons("share"), 0u);
    tables_->end_holders({messaging_->self()});
}

// Of a node that is lost: each table is read once, and no record is held but theirs.
TEST_F(TablesTest, ManyHoldersEndInOneWalk) {
    constexpr uint64_t count = 50;
    messaging::ServerIds ended;
    open_global record;
    Buffer encoded;
    const auto enter = [&](uint64_t id, const messaging::ServerId& owner) {
        record.persistent_id = id;
        record.owner = owner.to_record();
        encoded.clear();
        encode(record, encoded, idl::first_level);
        std::array<uint8_t, 8> key{};
        store_be32(key.data() + 4, static_cast<uint32_t>(id));
        return opens_->store(key, encoded).ok();
    };
    for (uint64_t id = 0; id < count; id++) {
        const auto holder = messaging::ServerId(3, 1000 + id, 7);
        ended.insert(holder);
        ASSERT_TRUE(enter(id, holder));
    }
    ASSERT_TRUE(enter(count, messaging_->self()));
    opens_->looks = opens_->walks = index_->walks = 0;
    const size_t waiters = waiters_->traversals();
    tables_->end_holders(ended);
    EXPECT_EQ(opens_->walks, 1u);
    EXPECT_EQ(opens_->looks, count);
    EXPECT_EQ(index_->walks, 1u);
    EXPECT_EQ(waiters_->traversals() - waiters, 1u);
    size_t left = 0;
    EXPECT_TRUE(
        tables_->for_each_open([&](const open_global& one) { left += one.owner == messaging_->self().to_record() ? 1 : 100; }).ok());
    EXPECT_EQ(left, 1u);
    tables_->end_holders({});
    EXPECT_EQ(opens_->walks, 2u) << "that of the count alone";
}

TEST_F(TablesTest, TheEndOfASessionWakesWhoWaitsForIt) {
    Session session(7);
    EXPECT_EQ(tables_->find_session(7), std::nullopt);
    ASSERT_TRUE(tables_->put_session(session).ok());
    const auto holder = tables_->find_session(7);
    ASSERT_TRUE(holder.has_value());
    EXPECT_EQ(holder->process, messaging_->self());

    watch::Watch watch(tables_->watches(), loop_, [&](watch::Woken why) {
        EXPECT_EQ(why, watch::Woken::changed);
        loop_.stop();
    });
    const Monotonic deadline = monotonic_now() + std::chrono::seconds(20);
    ASSERT_TRUE(*tables_->watch_session(7, watch, deadline));
    tables_->end_holders({messaging_->self()});
    EXPECT_TRUE(loop_.run_until(deadline));
    EXPECT_FALSE(*tables_->watch_session(7, watch, deadline));
    EXPECT_FALSE(watch.is_armed());
}

TEST_F(TablesTest, AProcessTakesOutItsOwnRecordOfAClientOnly) {
    const messaging::ServerId other = messaging::ServerId::make(messaging::ProcessClass::client);
    const Guid mine = Guid::random(), another = Guid::random();
    for (const auto& [guid, owner] : {std::pair{mine, messaging_->self()}, std::pair{another, other}}) {
        client_global record;
        record.client_guid = guid;
        record.owner.vnn = owner.node;
        record.owner.pid = owner.pid;
        record.owner.unique_id = owner.unique_id;
        Buffer encoded;
        encode(record, encoded, idl::first_level);
        ASSERT_TRUE(clients_->store(guid.bytes, encoded).ok());
    }
    for (const Guid& guid : {mine, another, Guid::random()}) tables_->remove_client(guid);
    EXPECT_FALSE(*clients_->exists(mine.bytes));
    EXPECT_TRUE(*clients_->exists(another.bytes));
    EXPECT_TRUE(tables_->removed_all());
}

TEST_F(TablesTest, EveryProcessThatStandsInARecordIsKnown) {
    EXPECT_TRUE(tables_->holders()->empty());
    ASSERT_TRUE(put_tcon(1, 1, "share"));
    const auto store = [&](tdb::Database& database, const auto& record) {
        encoded_.clear();
        encode(record, encoded_, idl::first_level);
        ASSERT_TRUE(database.store(as_bytes("/key"), encoded_));
    };
    std::set<messaging::ServerId> wanted = {messaging_->self()};
    const auto process = [&](uint32_t node, uint64_t pid) {
        const messaging::ServerId id(node, pid, pid * 256);
        wanted.insert(id);
        return id.to_record();
    };
    fsa::locking_record file;
    file.share_modes.resize(2);
    file.share_modes[0].holder = process(1, 10);
    file.share_modes[1].holder = fsa::disconnected_holder(99);
    store(tables_->locking(), file);
    fsa::brlock_record locks;
    locks.holders = {{process(2, 11), 1, 0}, {messaging::ServerId(2, 12, 0).to_record(), 0, 0}};
    store(tables_->brlock(), locks);
    fsa::directory_watches watches;
    watches.watches.resize(1);
    watches.watches[0].holder = process(0, 13);
    store(tables_->notify_index(), watches);
    EXPECT_EQ(*tables_->holders(), wanted);
}

TEST_F(TablesTest, TheFormatLevelOnlyRises) {
    const auto memory = tdb::MemoryDatabase::open({});
    EXPECT_EQ(*settle_format_level(*memory, 1), 1u);
    EXPECT_EQ(*settle_format_level(*memory, idl::newest_known_level()), idl::newest_known_level());
    EXPECT_EQ(*settle_format_level(*memory, 1), idl::newest_known_level());
}

TEST_F(TablesTest, ANewerFormatLevelIsRefused) {
    const auto memory = tdb::MemoryDatabase::open({});
    tdb::Database& version = *memory;
    version_global newer;
    newer.format_level = 99;
    Buffer encoded;
    encode(newer, encoded, idl::first_level);
    ASSERT_TRUE(version.store(as_bytes("version"), encoded).ok());
    const auto refused = settle_format_level(version, idl::first_level);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, Code::unsupported);
    EXPECT_NE(refused.error().message().find("99"), std::string::npos);
}

}  // namespace
}  // namespace Atoll::xsrv
