// What processes leave that die with locks of a file in mutex mode, beside one that has all chains locked.
#include <pthread.h>
#include <sys/mman.h>

#include <cerrno>
#include <initializer_list>

#include "tdb/file/chain_locks.h"
#include "tdb/file/transaction_fixture_test.h"

namespace Atoll::tdb {
namespace {

// 0 is the free list's, then come the chains.
class DeadOwner : public TransactionFile {
 protected:
    static constexpr uint32_t chains = 17;

    std::unique_ptr<FileDatabase> open_mutex() { return open({.clear_if_first = true, .locks = LockMode::mutex, .hash_size = chains}); }

    void die_with(std::initializer_list<uint32_t> locks) const {
        const pid_t pid = ::fork();
        if (pid == 0) {
            ::alarm(20);
            const int fd = ::open(path.c_str(), O_RDWR);
            auto* area = static_cast<MutexArea*>(::mmap(nullptr, mutex_area_size(chains), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
            for (const uint32_t lock : locks) {
                const int locked = area == MAP_FAILED ? EINVAL : ::pthread_mutex_lock(area->locks + lock);
                if (locked != 0 && locked != EOWNERDEAD) ::_exit(1);
            }
            ::_exit(0);
        }
        int status = 0;
        ::waitpid(pid, &status, 0);
        ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    // All but the locks, as others see it.
    std::string shared_bytes() const { return read_file(path).substr(mutex_area_size(chains)); }
    void die_with_all_chains() const {
        for (uint32_t chain = 1; chain <= chains; chain++) die_with({chain});
    }
};

// Free records in every page, on a list in no order of theirs: a chain gives those that it has removed to the list when it wants a larger
// one.
void scatter(FileDatabase& database) {
    constexpr int count = 400;
    const auto store = [&](const char* prefix, int number, size_t size) {
        const std::string key = prefix + std::to_string(number);
        ASSERT_TRUE(database.store(as_bytes(key), as_bytes(std::string(size, 'x'))).ok());
    };
    for (int i = 0; i < count; i++) store("small", i, 200);
    for (int i = 0; i < count; i++) {
        if (i % 3 == 0) continue;
        const std::string key = "small" + std::to_string(i * 7 % count);
        ASSERT_TRUE(database.remove(as_bytes(key)).ok());
    }
    for (int i = 0; i < 60; i++) store("large", i, 2000);
}

// A repairer of a chain dies with the free list's lock beside a transaction, and the next one comes: the free list that the transaction has
// a copy of must still be the one in the file when it commits.
TEST_F(DeadOwner, TheFreeListIsNotRebuiltBesideATransaction) {
    auto database = open_mutex();
    scatter(*database);
    ASSERT_TRUE(database->begin().ok());
    Records expected = contents(*database);
    for (int i = 0; i < 20; i++) {
        const std::string key = fmt::format("new{}", i), value(300, static_cast<char>('a' + i));
        put(*database, key, value);
        expected[key] = value;
    }
    die_with({0});
    die_with_all_chains();
    const std::string before = shared_bytes();
    // Reads in every chain, each of which its owner died in.
    EXPECT_EQ(in_child(*database, [&] { return contents(*database).size() == expected.size() - 20 ? 0 : 1; }), 0);
    EXPECT_TRUE(shared_bytes() == before);
    ASSERT_TRUE(database->commit().ok());
    auto checked = database->check();
    ASSERT_TRUE(checked.ok()) << checked.error().message();
    EXPECT_EQ(*checked, expected.size());
    EXPECT_TRUE(contents(*database) == expected);
    scatter(*database);  // what the free list holds is nobody's
    for (int i = 0; i < 20; i++) EXPECT_EQ(get(*database, fmt::format("new{}", i)), std::string(300, static_cast<char>('a' + i)));
    checked = database->check();
    ASSERT_TRUE(checked.ok()) << checked.error().message();
}

TEST_F(DeadOwner, ATransactionRepairsTheFreeListBeforeItCopiesIt) {
    auto database = open_mutex();
    scatter(*database);
    const Records before = contents(*database);
    die_with({0});
    ASSERT_TRUE(database->begin().ok());
    put(*database, "new", std::string(600, 'n'));
    ASSERT_TRUE(database->commit().ok());
    // Whoever finds a dead owner's free list now would rebuild it, with everything of the transaction in place.
    die_with({0, 1});
    EXPECT_EQ(in_child(*database, [&] { return contents(*database).size() == before.size() + 1 ? 0 : 1; }), 0);
    auto checked = database->check();
    ASSERT_TRUE(checked.ok()) << checked.error().message();
}

// Who has all chains for writing is writing: nobody goes in to see what a dead one left.
TEST_F(DeadOwner, NobodyRepairsBesideOneThatWritesToAllChains) {
    auto database = open_mutex();
    scatter(*database);
    put(*database, "key", "value");
    {
        auto all = database->lock_all(Intent::write);
        ASSERT_TRUE(all.ok());
        die_with({0});
        die_with_all_chains();
        const std::string before = shared_bytes();
        EXPECT_EQ(in_child(*database, [&] { return database->try_fetch_locked(as_bytes("key")).error().code == Code::busy ? 0 : 1; }), 0);
        EXPECT_TRUE(shared_bytes() == before);
    }
    EXPECT_EQ(in_child(*database, [&] { return get(*database, "key") == "value" ? 0 : 1; }), 0);
    // Damage from before is repaired, by whoever comes first.
    die_with({0});
    die_with_all_chains();
    EXPECT_EQ(in_child(*database, [&] { return database->store(as_bytes("key"), as_bytes("other")).ok() ? 0 : 1; }), 0);
    EXPECT_EQ(get(*database, "key"), "other");
    EXPECT_TRUE(database->check().ok());
}

}  // namespace
}  // namespace Atoll::tdb
