#include "ctdb/daemon/record_databases.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>

namespace Atoll::ctdb {
namespace {

class RecordDatabasesTest : public testing::TestWithParam<bool> {
 protected:
    void SetUp() override {
        ASSERT_NE(::mkdtemp(directory.data()), nullptr);
        auto opened = RecordDatabases::open(directory, 2, GetParam());
        ASSERT_TRUE(opened.ok());
        databases = std::move(*opened);
    }
    void TearDown() override {
        databases.reset();
        (void)!std::system(("rm -rf " + directory).c_str());
    }

    std::string directory = testing::TempDir() + "record_databases.XXXXXX";
    std::unique_ptr<RecordDatabases> databases;
};

TEST_P(RecordDatabasesTest, HaveSambasNumbers) {
    EXPECT_TRUE(*databases->attach("foo.tdb"));
    EXPECT_FALSE(*databases->attach("foo.tdb"));
    EXPECT_EQ(databases->find("foo.tdb"), 0x88127240U);  // as Debian's ctdb shows it
    EXPECT_EQ(databases->find("0x88127240"), 0x88127240U);
    EXPECT_EQ(databases->find("0x88127241"), 0U);
    EXPECT_EQ(databases->find("bar.tdb"), 0U);
    for (const char* name : {"", ".", "../x", "a/b", "a|b"}) EXPECT_FALSE(databases->attach(name).ok()) << name;
    ASSERT_EQ(databases->entries().size(), 1U);
    EXPECT_EQ(databases->entries()[0].path, directory + "/foo.tdb.2");
}

TEST_P(RecordDatabasesTest, KeepCopiesAsTheyAre) {
    ASSERT_TRUE(databases->attach("foo.tdb").ok());
    const uint32_t id = databases->find("foo.tdb");
    const RecordKey key{id, {1, 2, 3}};
    Copy read;
    EXPECT_FALSE(databases->read(key, read));
    EXPECT_FALSE(databases->read({id + 1, {1}}, read));
    Copy copy;
    copy.rsn = 7;
    copy.holder = 9;
    copy.dmaster = true;
    copy.delegated = true;
    copy.value = {4, 5, 0};
    databases->write(key, copy);
    ASSERT_TRUE(databases->read(key, read));
    EXPECT_EQ(read.rsn, 7U);
    EXPECT_EQ(read.holder, 9U);
    EXPECT_TRUE(read.dmaster);
    EXPECT_TRUE(read.delegated);
    EXPECT_FALSE(read.wanted);
    EXPECT_EQ(read.value, copy.value);
}

TEST_P(RecordDatabasesTest, VisitsThoseThatAreMirrored) {
    std::map<uint32_t, size_t> seen;
    for (const char* name : {"foo.tdb", "bar.tdb", "baz.tdb"}) {
        const bool mirrored = name == std::string_view("bar.tdb");
        const auto flags = mirrored ? protocol::database_flags::DATABASE_MIRRORED : protocol::database_flags::none;
        ASSERT_TRUE(databases->attach(name, flags).ok());
        for (uint8_t number = 0; number < 200; number++) databases->write({databases->find(name), {number}}, Copy());
    }
    for (Slot slot = 0; slot < protocol::SLOTS; slot++) {
        databases->each_mirrored(slot, [&](const RecordKey& key, const Copy&) {
            EXPECT_EQ(databases->slot_of(key), slot);
            seen[key.database]++;
        });
    }
    EXPECT_EQ(seen, (std::map<uint32_t, size_t>{{databases->find("bar.tdb"), 200}}));
}

TEST_P(RecordDatabasesTest, VisitsASlotInOrderAndClears) {
    ASSERT_TRUE(databases->attach("foo.tdb").ok());
    const uint32_t id = databases->find("foo.tdb");
    size_t written = 0;
    for (uint8_t number = 0; number < 200; number++) databases->write({id, {number}}, Copy()), written++;
    size_t seen = 0;
    for (Slot slot = 0; slot < protocol::SLOTS; slot++) {
        Value last;
        databases->each(slot, [&](const RecordKey& key, const Copy&) {
            EXPECT_EQ(databases->slot_of(key), slot);
            EXPECT_LT(last, key.key);
            last = key.key;
            seen++;
        });
    }
    EXPECT_EQ(seen, written);
    databases->clear();
    for (Slot slot = 0; slot < protocol::SLOTS; slot++) databases->each(slot, [](const RecordKey&, const Copy&) { FAIL(); });
    Copy read;
    EXPECT_FALSE(databases->read({id, {1}}, read));
}

TEST_P(RecordDatabasesTest, ADetachedOneHasNoRecordsAndMayBeSpokenOf) {
    ASSERT_TRUE(databases->attach("foo.tdb").ok());
    const uint32_t id = databases->find("foo.tdb");
    const RecordKey key{id, {1}};
    Copy copy;
    copy.holder = 3;
    databases->write(key, copy);
    EXPECT_EQ(databases->count(id), 1U);
    EXPECT_EQ(databases->detach(id).error().code, Code::busy);
    copy.holder = 0;
    databases->write(key, copy);
    ASSERT_TRUE(databases->detach(id).ok());
    EXPECT_EQ(databases->detach(id).error().code, Code::not_found);
    databases->write(key, copy);
    EXPECT_FALSE(databases->read(key, copy));
    EXPECT_TRUE(databases->knows(id));
    EXPECT_FALSE(databases->mirrored(id));
    EXPECT_EQ(databases->find("foo.tdb"), 0U);
    EXPECT_NE(::access((directory + "/foo.tdb.2").c_str(), F_OK), 0);
    EXPECT_TRUE(*databases->attach("foo.tdb"));
    EXPECT_FALSE(databases->read(key, copy));
}

TEST_P(RecordDatabasesTest, TakeAwayWhatIsAsItWasSeen) {
    ASSERT_TRUE(databases->attach("foo.tdb").ok());
    const RecordKey key{databases->find("foo.tdb"), {1, 2, 3}};
    Copy seen;
    seen.rsn = 7;
    databases->write(key, seen);
    Copy other = seen;
    other.holder = 9;
    EXPECT_FALSE(databases->remove(key, other));
    EXPECT_TRUE(databases->read(key, other));
    EXPECT_TRUE(databases->remove(key, seen));
    EXPECT_FALSE(databases->read(key, other));
    EXPECT_FALSE(databases->remove(key, seen));
    databases->each(databases->slot_of(key), [](const RecordKey&, const Copy&) { FAIL(); });
}

TEST_P(RecordDatabasesTest, LendAndStickWhereTheyAreTold) {
    ASSERT_TRUE(databases->attach("foo.tdb").ok());
    ASSERT_TRUE(databases->attach("bar.tdb").ok());
    const RecordKey foo{databases->find("foo.tdb"), {1}}, bar{databases->find("bar.tdb"), {1}};
    EXPECT_FALSE(databases->lends(foo) || databases->sticks(foo) || databases->lends(RecordKey{1, {1}}));
    databases->set_lending(foo.database);
    databases->set_sticking(bar.database);
    EXPECT_TRUE(databases->lends(foo) && databases->sticks(bar));
    EXPECT_FALSE(databases->lends(bar) || databases->sticks(foo));
    for (const auto& entry : databases->entries()) {
        EXPECT_EQ(entry.lends, entry.id == foo.database);
        EXPECT_EQ(entry.sticks, entry.id == bar.database);
    }
    EXPECT_FALSE(*databases->attach("foo.tdb"));
    EXPECT_TRUE(databases->lends(foo));
}

TEST_P(RecordDatabasesTest, TakeSlotsFromKeysWhereTheyStand) {
    ASSERT_TRUE(databases->attach("hashed.tdb").ok());
    ASSERT_TRUE(databases->attach("ids.tdb", protocol::database_flags::DATABASE_SLOT_IN_KEY).ok());
    EXPECT_FALSE(databases->attach("ids.tdb").ok());
    const uint32_t ids = databases->find("ids.tdb");
    for (const Slot slot : {0U, 1U, 517U, 1023U}) {
        const uint64_t id = id_in_slot(0x0123456789ABCDEF, slot);
        EXPECT_EQ(slot_of_id(id), slot);
        Value key;
        for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<uint8_t>(id >> shift));
        EXPECT_EQ(databases->slot_of({ids, key}), slot);
        key.push_back(7);  // what follows the identifier does not matter
        EXPECT_EQ(databases->slot_of({ids, key}), slot);
    }
    EXPECT_EQ(databases->slot_of({ids, {1, 2}}), slot_of(ids, Value{1, 2}, protocol::SLOTS));
    const uint32_t hashed = databases->find("hashed.tdb");
    const Value key(8, 0);
    EXPECT_EQ(databases->slot_of({hashed, key}), slot_of(hashed, key, protocol::SLOTS));
}

INSTANTIATE_TEST_SUITE_P(Locks, RecordDatabasesTest, testing::Bool());

}  // namespace
}  // namespace Atoll::ctdb
