#include "tdb/lmdb/lmdb_database.h"

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "tdb/conformance.h"

namespace Atoll::tdb {
namespace {

std::string fresh_path() {
    static const std::string directory = [] {
        // Each change is synced: memory if there is such a place.
        std::string pattern = (::access("/dev/shm", W_OK) == 0 ? "/dev/shm/" : testing::TempDir()) + "atoll_lmdb.XXXXXX";
        return std::string(::mkdtemp(pattern.data()));
    }();
    static int count = 0;
    return directory + "/" + std::to_string(++count) + ".mdb";
}

std::unique_ptr<LmdbDatabase> must_open(const LmdbOptions& options) {
    auto database = LmdbDatabase::open(options);
    EXPECT_TRUE(database.ok()) << database.error().message();
    return database.ok() ? std::move(*database) : nullptr;
}

// The files go when the tests are done.
class Cleaner : public testing::Environment {
 public:
    void TearDown() override {
        std::error_code ignored;
        std::filesystem::remove_all(std::filesystem::path(fresh_path()).parent_path(), ignored);
    }
};
[[maybe_unused]] const auto* cleaner = testing::AddGlobalTestEnvironment(new Cleaner);

INSTANTIATE_TEST_SUITE_P(Lmdb, Conformance,
                         testing::Values(Store{"lmdb", [] { return must_open({.path = fresh_path()}); }, 400},
                                         Store{"lmdb_that_grows", [] { return must_open({.path = fresh_path(), .map_size = 64 * 1024}); },
                                               400}),
                         [](const auto& store) { return store.param.name; });

TEST(LmdbDatabase, KeepsItsRecords) {
    const std::string path = fresh_path();
    ASSERT_TRUE(must_open({.path = path})->store(as_bytes("a"), as_bytes("1")).ok());
    auto database = must_open({.path = path, .read_only = true});
    EXPECT_TRUE(*database->exists(as_bytes("a")));
    EXPECT_EQ(database->store(as_bytes("a"), as_bytes("2")).error().code, Code::denied);
    EXPECT_EQ(LmdbDatabase::open({.path = path}).error().code, Code::busy);
}

TEST(LmdbDatabase, ErrorsAreClear) {
    EXPECT_EQ(LmdbDatabase::open({.path = "/nonexistent/x.mdb"}).error().code, Code::not_found);
    EXPECT_EQ(LmdbDatabase::open({.path = fresh_path(), .create = false}).error().code, Code::not_found);
    auto database = must_open({.path = fresh_path()});
    EXPECT_EQ(database->store(as_bytes(""), as_bytes("v")).error().code, Code::invalid);
    EXPECT_EQ(database->fetch_locked(as_bytes(std::string(600, 'k'))).error().code, Code::invalid);
}

TEST(LmdbDatabase, AHeldRecordIsCommittedByItsFirstChange) {
    auto database = must_open({.path = fresh_path()});
    auto record = database->fetch_locked(as_bytes("a"));
    ASSERT_TRUE(record.ok());
    ASSERT_TRUE(record->store(as_bytes("1")).ok());
    EXPECT_EQ(as_text(record->value()), "1");
    EXPECT_EQ(record->store(as_bytes("2")).error().code, Code::invalid);
}

TEST(LmdbDatabase, SeveralRecordsInOneTransaction) {
    auto database = must_open({.path = fresh_path()});
    ASSERT_TRUE(database->begin().ok());
    {
        auto first = database->fetch_locked(as_bytes("a"));
        auto second = database->try_fetch_locked(as_bytes("b"));
        ASSERT_TRUE(first.ok() && second.ok());
        ASSERT_TRUE(first->store(as_bytes("1")).ok());
        ASSERT_TRUE(second->store(as_bytes("2")).ok());
        ASSERT_TRUE(first->store(as_bytes("3")).ok());
    }
    ASSERT_TRUE(database->commit().ok());
    Buffer value;
    ASSERT_TRUE(*database->fetch(as_bytes("a"), value));
    EXPECT_EQ(as_text(value), "3");
}

TEST(LmdbDatabase, ATransactionThatFillsTheMapMayBeTriedAgain) {
    auto database = must_open({.path = fresh_path(), .map_size = 64 * 1024});
    const std::string value(3000, 'v');
    bool done = false;
    int tries = 0;
    while (!done && tries++ < 12) {
        ASSERT_TRUE(database->begin().ok());
        Result<void> outcome;
        for (int i = 0; i < 100 && outcome.ok(); i++) outcome = database->store(as_bytes("key" + std::to_string(i)), as_bytes(value));
        done = outcome.ok() && database->commit().ok();
        if (!outcome.ok()) {
            EXPECT_EQ(outcome.error().code, Code::no_space);
            database->cancel();
        }
    }
    EXPECT_TRUE(done);
    EXPECT_GT(tries, 1);
    EXPECT_TRUE(*database->exists(as_bytes("key99")));
}

TEST(LmdbDatabase, IsNotUsedAcrossFork) {
    auto database = must_open({.path = fresh_path()});
    EXPECT_DEATH((void)database->exists(as_bytes("a")), "");  // a death test runs in a child
}

TEST(LmdbDatabase, ProcessesShareIt) {
    const std::string path = fresh_path();
    const pid_t child = ::fork();
    if (child == 0) {
        auto theirs = LmdbDatabase::open({.path = path, .map_size = 64 * 1024});
        for (int i = 0; theirs.ok() && i < 200; i++) {
            auto record = (*theirs)->fetch_locked(as_bytes("counter"));
            if (!record || !record->store(as_bytes(std::string(as_text(record->value())) + "x"))) ::_exit(1);
        }
        ::_exit(theirs.ok() ? 0 : 1);
    }
    auto ours = must_open({.path = path, .map_size = 64 * 1024});
    for (int i = 0; i < 200; i++) {
        auto record = ours->fetch_locked(as_bytes("counter"));
        ASSERT_TRUE(record.ok()) << record.error().message();
        ASSERT_TRUE(record->store(as_bytes(std::string(as_text(record->value())) + "x")).ok());
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    Buffer value;
    ASSERT_TRUE(*ours->fetch(as_bytes("counter"), value));
    EXPECT_EQ(value.size(), 400u);
}

}  // namespace
}  // namespace Atoll::tdb
