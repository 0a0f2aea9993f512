#include "ctdb/daemon/persistent_databases.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "ctdb/daemon/database_names.h"

namespace Atoll::ctdb {
namespace {

std::vector<uint8_t> bytes(const std::string& text) { return {text.begin(), text.end()}; }
protocol::record_write put(const std::string& key, const std::string& value) { return {bytes(key), bytes(value)}; }

class PersistentFileTest : public testing::Test {
 protected:
    void SetUp() override {
        ASSERT_NE(::mkdtemp(directory.data()), nullptr);
        reopen();
    }
    void TearDown() override {
        file.reset();
        (void)!std::system(("rm -rf " + directory).c_str());
    }
    void reopen() {
        file.reset();
        auto opened = PersistentFile::open(directory + "/a.tdb.0", 7);
        ASSERT_TRUE(opened.ok()) << opened.error().message();
        file = std::move(*opened);
    }
    static holding at(uint64_t seqnum) {
        holding held;
        held.database = 7;
        held.seqnum = seqnum;
        held.has_last = true;
        return held;
    }
    std::string content(const std::string& after = "") const {
        std::string all;
        EXPECT_TRUE(file->each(bytes(after), [&](Bytes key, Bytes value) {
            all.append(key.begin(), key.end()).append("=").append(value.begin(), value.end()).append(" ");
            return true;
        }));
        return all;
    }

    std::string directory = testing::TempDir() + "persistent_databases.XXXXXX";
    std::unique_ptr<PersistentFile> file;
};

TEST_F(PersistentFileTest, TheLastTransactionStandsApart) {
    ASSERT_TRUE(file->write(PersistentWrite::add, at(1), {put("a", "1"), put("c", "1")}));
    ASSERT_TRUE(file->write(PersistentWrite::add, at(2), {put("a", ""), put("b", "2"), put("d", "2")}));
    reopen();
    EXPECT_EQ(file->held(), at(2));
    EXPECT_EQ(content(), "b=2 c=1 d=2 ");
    EXPECT_EQ(content("b"), "c=1 d=2 ");
    EXPECT_EQ(*file->last_writes(), (Writes{put("a", ""), put("b", "2"), put("d", "2")}));
    std::vector<uint8_t> value;
    EXPECT_FALSE(*file->read(bytes("a"), value));
    EXPECT_TRUE(*file->read(bytes("c"), value));
    EXPECT_EQ(value, bytes("1"));
    ASSERT_TRUE(file->write(PersistentWrite::drop, at(1), {}));
    EXPECT_EQ(content(), "a=1 c=1 ");
    EXPECT_TRUE(file->last_writes()->empty());
    ASSERT_TRUE(file->write(PersistentWrite::replace, at(9), {put("x", "9")}));
    ASSERT_TRUE(file->write(PersistentWrite::add, at(10), {put("x", ""), put("y", "10")}));
    ASSERT_TRUE(file->write(PersistentWrite::add, at(11), {put("z", "11")}));
    EXPECT_EQ(content(), "y=10 z=11 ");
}

TEST_F(PersistentFileTest, GrowsWithWhatIsWritten) {
    const std::string large(1 << 20, 'x');
    Writes writes;
    for (int number = 0; number < 100; number++) writes.push_back(put("key" + std::to_string(number), large));
    ASSERT_TRUE(file->write(PersistentWrite::add, at(1), writes));
    ASSERT_TRUE(file->write(PersistentWrite::add, at(2), {put("a", "1")}));
    std::vector<uint8_t> value;
    EXPECT_TRUE(*file->read(bytes("key99"), value));
    EXPECT_EQ(value.size(), large.size());
}

TEST_F(PersistentFileTest, AFileOfAnotherDatabaseIsRefused) {
    ASSERT_TRUE(file->write(PersistentWrite::add, at(1), {put("a", "1")}));
    file.reset();
    EXPECT_FALSE(PersistentFile::open(directory + "/a.tdb.0", 8).ok());
}

TEST_F(PersistentFileTest, AReplicatedOneBeginsEmpty) {
    const std::string path = directory + "/b.tdb.0";
    for (int start = 0; start < 2; start++) {
        const auto replicated = PersistentFile::open(path, 7, Lifetime::replicated);
        ASSERT_TRUE(replicated.ok()) << replicated.error().message();
        EXPECT_EQ((*replicated)->held().seqnum, 0U);
        ASSERT_TRUE((*replicated)->write(PersistentWrite::add, at(1), {put("a", "1")}));
        EXPECT_EQ((*replicated)->held(), at(1));
    }
    const auto databases = PersistentDatabases::open(directory, directory, 2);
    ASSERT_TRUE(databases.ok());
    const DatabaseId id = id_of_database("r.tdb");
    EXPECT_TRUE(*(*databases)->attach("r.tdb", Lifetime::replicated));
    EXPECT_FALSE(*(*databases)->attach("r.tdb", Lifetime::replicated));
    EXPECT_EQ((*databases)->attach("r.tdb", Lifetime::persistent).error().code, Code::invalid);
    EXPECT_TRUE((*databases)->replicated(id));
}

TEST_F(PersistentFileTest, DatabasesOfOtherNodesAreLeftAlone) {
    file.reset();
    (void)!std::system(("rm " + directory + "/*").c_str());
    const auto opened = PersistentDatabases::open(directory, directory, 1);
    ASSERT_TRUE(opened.ok());
    EXPECT_TRUE(*(*opened)->attach("secrets.tdb", Lifetime::persistent));
    EXPECT_FALSE(*(*opened)->attach("secrets.tdb", Lifetime::persistent));
    EXPECT_FALSE((*opened)->attach("a/b", Lifetime::persistent).ok());
    const auto other = PersistentDatabases::open(directory, directory, 11);
    ASSERT_TRUE(other.ok());
    EXPECT_TRUE((*other)->entries().empty());
    ASSERT_EQ((*opened)->entries().size(), 1U);
    EXPECT_EQ((*opened)->entries()[0].path, directory + "/secrets.tdb.1");
}

}  // namespace
}  // namespace Atoll::ctdb
