#include "tdb/file/file_database.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "tdb/conformance.h"

namespace Atoll::tdb {
namespace {

// A path of its own in a directory that goes with the process.
std::string fresh_path() {
    static const std::string directory = [] {
        std::string pattern = testing::TempDir() + "atoll_tdb.XXXXXX";
        return std::string(::mkdtemp(pattern.data()));
    }();
    static int count = 0;
    return directory + "/" + std::to_string(++count) + ".tdb";
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

std::unique_ptr<Database> open_checked(FileOptions options) {
    options.path = fresh_path();
    options.count_changes = true;
    auto database = FileDatabase::open(options);
    EXPECT_TRUE(database.ok()) << database.error().message();
    return database.ok() ? std::move(*database) : nullptr;
}

// Each also with so few chains that records share them.
const Store stores[] = {
    {"fcntl", [] { return open_checked({}); }},
    {"fcntl_few_chains", [] { return open_checked({.hash = HashKind::standard, .hash_size = 3}); }},
    {"mutex", [] { return open_checked({.clear_if_first = true, .locks = LockMode::mutex}); }},
    {"mutex_few_chains", [] { return open_checked({.clear_if_first = true, .locks = LockMode::mutex, .hash_size = 1}); }},
};
INSTANTIATE_TEST_SUITE_P(File, Conformance, testing::ValuesIn(stores), [](const auto& store) { return store.param.name; });

std::unique_ptr<FileDatabase> must_open(const FileOptions& options) {
    auto database = FileDatabase::open(options);
    EXPECT_TRUE(database.ok()) << database.error().message();
    return database.ok() ? std::move(*database) : nullptr;
}

TEST(Hash, KnownValues) {
    EXPECT_EQ(default_hash(as_bytes("alpha")), 0xD2AE87FDu);
    EXPECT_EQ(default_hash(as_bytes("beta")), 0x5389DCA3u);
    EXPECT_EQ(jenkins_hash(as_bytes("alpha")), 0x2290C2D9u);
    EXPECT_EQ(jenkins_hash(as_bytes("Four score and seven years ago")), 0x17770551u);  // from lookup3.c's own self-test
}

TEST(FileDatabase, KeepsItsRecordsAndItsKind) {
    const std::string path = fresh_path();
    {
        auto database = must_open({.path = path, .hash = HashKind::standard, .hash_size = 131});
        ASSERT_TRUE(database->store(as_bytes("a"), as_bytes("1")).ok());
    }
    auto database = must_open({.path = path, .read_only = true, .hash_size = 7});
    EXPECT_EQ(database->hash_size(), 131u);
    EXPECT_EQ(database->hash_kind(), HashKind::standard);
    EXPECT_FALSE(database->uses_mutexes());
    EXPECT_TRUE(*database->exists(as_bytes("a")));
    EXPECT_EQ(database->store(as_bytes("a"), as_bytes("2")).error().code, Code::denied);
    EXPECT_EQ(*database->check(), 1u);
}

TEST(FileDatabase, ClearIfFirstClearsOnlyForTheFirst) {
    const FileOptions options{.path = fresh_path(), .clear_if_first = true, .locks = LockMode::mutex, .hash_size = 17};
    // Another process opens it and stays until it is told to go.
    int ready[2], go[2];
    ASSERT_EQ(::pipe(ready), 0);
    ASSERT_EQ(::pipe(go), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        auto theirs = must_open(options);
        const bool stored = theirs->store(as_bytes("a"), as_bytes("1")).ok();
        char byte = stored ? 'y' : 'n';
        if (::write(ready[1], &byte, 1) != 1 || ::read(go[0], &byte, 1) != 1) ::_exit(1);
        ::_exit(0);
    }
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    EXPECT_EQ(byte, 'y');
    auto database = must_open(options);
    EXPECT_TRUE(*database->exists(as_bytes("a")));
    ASSERT_EQ(::write(go[1], "g", 1), 1);
    ::waitpid(child, nullptr, 0);
    for (const int fd : {ready[0], ready[1], go[0], go[1]}) ::close(fd);
    database.reset();
    database = must_open(options);
    EXPECT_FALSE(*database->exists(as_bytes("a")));
}

TEST(FileDatabase, OneProcessOpensAFileOnce) {
    const std::string path = fresh_path();
    auto database = must_open({.path = path});
    EXPECT_EQ(FileDatabase::open({.path = path}).error().code, Code::busy);
}

TEST(FileDatabase, BadFilesAndOptionsAreErrors) {
    EXPECT_EQ(FileDatabase::open({.path = "/nonexistent/x.tdb"}).error().code, Code::not_found);
    EXPECT_EQ(FileDatabase::open({.path = fresh_path(), .create = false}).error().code, Code::not_found);
    EXPECT_EQ(FileDatabase::open({.path = fresh_path(), .locks = LockMode::mutex}).error().code, Code::invalid);
    const std::string path = fresh_path();
    const int fd = ::open(path.c_str(), O_CREAT | O_WRONLY, 0600);
    ASSERT_EQ(::write(fd, "somebody's text", 15), 15);
    ::close(fd);
    EXPECT_EQ(FileDatabase::open({.path = path}).error().code, Code::corrupt);
    EXPECT_EQ(FileDatabase::open({.path = path, .clear_if_first = true}).error().code, Code::corrupt);
    EXPECT_EQ(std::filesystem::file_size(path), 15u);
}

TEST(FileDatabase, FreedSpaceIsUsedAgain) {
    auto database = must_open({.path = fresh_path(), .hash_size = 11});
    const std::string value(1000, 'v');
    uintmax_t size = 0;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 200; i++)
            ASSERT_TRUE(database->store(as_bytes("key" + std::to_string(i * 7 + round * 10000)), as_bytes(value)).ok());
        for (int i = 0; i < 200; i++) ASSERT_TRUE(*database->remove(as_bytes("key" + std::to_string(i * 7 + round * 10000))));
        if (round == 1) size = std::filesystem::file_size(database->name());
    }
    EXPECT_EQ(*database->check(), 0u);
    EXPECT_LE(std::filesystem::file_size(database->name()), size + size / 4);
}

TEST(FileDatabase, AFullDiskIsAnErrorAndNothingIsLost) {
    auto database = must_open({.path = fresh_path(), .hash_size = 11});
    ASSERT_TRUE(database->store(as_bytes("a"), as_bytes("1")).ok());
    struct rlimit old {};
    ::getrlimit(RLIMIT_FSIZE, &old);
    ::signal(SIGXFSZ, SIG_IGN);
    const struct rlimit small { 64 * 1024, old.rlim_max };
    ::setrlimit(RLIMIT_FSIZE, &small);
    const std::string big(100000, 'b');
    EXPECT_FALSE(database->store(as_bytes("a"), as_bytes(big)).ok());
    ::setrlimit(RLIMIT_FSIZE, &old);
    Buffer value;
    ASSERT_TRUE(*database->fetch(as_bytes("a"), value));
    EXPECT_EQ(as_text(value), "1");
    EXPECT_EQ(*database->check(), 1u);
    EXPECT_TRUE(database->store(as_bytes("a"), as_bytes(big)).ok());
}

}  // namespace
}  // namespace Atoll::tdb
