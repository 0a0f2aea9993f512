// Transactions of the file store: what they show to whom, and that each happens as a whole or not at all, whatever goes wrong.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <random>

#include <gtest/gtest.h>

#include "base/limits.h"
#include "base/log.h"
#include "tdb/file/faulty_disk.h"
#include "tdb/file/transaction_fixture_test.h"

namespace Atoll::tdb {
namespace {

// Both modes: what a transaction does is the same.
class Transaction : public TransactionFile, public testing::WithParamInterface<LockMode> {
 protected:
    std::unique_ptr<FileDatabase> open_mode(FileOptions options = {}) {
        options.locks = GetParam();
        options.clear_if_first = GetParam() == LockMode::mutex;
        options.hash_size = 17;
        return open(options);
    }
};

INSTANTIATE_TEST_SUITE_P(File, Transaction, testing::Values(LockMode::fcntl, LockMode::mutex),
                         [](const auto& mode) { return std::string(mode.param == LockMode::mutex ? "mutex" : "fcntl"); });

TEST_P(Transaction, OthersSeeNothingUntilTheCommit) {
    auto database = open_mode();
    put(*database, "a", "1");
    ASSERT_TRUE(database->begin().ok());
    EXPECT_TRUE(database->in_transaction());
    put(*database, "a", "2");
    put(*database, "b", std::string(50000, 'b'));  // grows the file
    EXPECT_EQ(get(*database, "a"), "2");
    EXPECT_EQ(contents(*database).size(), 2u);
    EXPECT_EQ(*database->check(), 2u);
    const auto read = [&] {
        return get(*database, "a") == "1" && get(*database, "b") == "(none)" && contents(*database).size() == 1 ? 0 : 1;
    };
    EXPECT_EQ(in_child(*database, read), 0);
    // Others neither write nor begin meanwhile.
    EXPECT_EQ(in_child(*database, [&] { return database->try_fetch_locked(as_bytes("a")).ok() ? 1 : 0; }), 0);
    EXPECT_EQ(in_child(*database, [&] { return database->try_begin().error().code == Code::busy ? 0 : 1; }), 0);
    ASSERT_TRUE(database->commit().ok());
    EXPECT_FALSE(database->in_transaction());
    EXPECT_EQ(in_child(*database, [&] { return get(*database, "a") == "2" && contents(*database).size() == 2 ? 0 : 1; }), 0);
    EXPECT_EQ(*database->check(), 2u);
}

TEST_P(Transaction, CancelForgetsEverything) {
    auto database = open_mode({.count_changes = true});
    Records before;
    for (int i = 0; i < 50; i++)
        put(*database, "key" + std::to_string(i), before["key" + std::to_string(i)] = std::string(static_cast<size_t>(i * 9), 'v'));
    const uint32_t number = *database->sequence_number();
    for (int round = 0; round < 3; round++) {
        ASSERT_TRUE(database->begin().ok());
        for (int i = 0; i < 50; i += 2) ASSERT_TRUE(*database->remove(as_bytes("key" + std::to_string(i))));
        put(*database, "large", std::string(300000, 'l'));
        EXPECT_NE(*database->sequence_number(), number);
        if (round == 1) {
            ASSERT_TRUE(database->prepare_commit().ok());
        }
        database->cancel();
        EXPECT_EQ(contents(*database), before);
        EXPECT_EQ(*database->check(), 50u);
        EXPECT_EQ(*database->sequence_number(), number);
    }
    put(*database, "after", "1");
    EXPECT_EQ(*database->check(), 51u);
}

TEST_P(Transaction, NestingIsRefusedUnlessItCounts) {
    {
        auto database = open_mode();
        ASSERT_TRUE(database->begin().ok());
        EXPECT_EQ(database->begin().error().code, Code::invalid);
        EXPECT_TRUE(database->commit().ok());
        EXPECT_EQ(database->commit().error().code, Code::invalid);
    }
    auto database = open_mode({.nesting = Nesting::counted});
    ASSERT_TRUE(database->begin().ok());
    ASSERT_TRUE(database->begin().ok());
    put(*database, "a", "1");
    EXPECT_TRUE(database->commit().ok());
    EXPECT_TRUE(database->in_transaction());
    EXPECT_EQ(in_child(*database, [&] { return get(*database, "a") == "(none)" ? 0 : 1; }), 0);
    EXPECT_TRUE(database->commit().ok());
    EXPECT_EQ(in_child(*database, [&] { return get(*database, "a") == "1" ? 0 : 1; }), 0);
    ASSERT_TRUE(database->begin().ok());
    ASSERT_TRUE(database->begin().ok());
    put(*database, "a", "2");
    database->cancel();
    EXPECT_EQ(database->commit().error().code, Code::invalid);
    EXPECT_FALSE(database->in_transaction());
    EXPECT_EQ(get(*database, "a"), "1");
}

TEST_P(Transaction, PreparedIsCommittedWithoutNewErrors) {
    auto database = open_mode();
    ASSERT_TRUE(database->begin().ok());
    put(*database, "a", std::string(9000, 'a'));
    ASSERT_TRUE(database->prepare_commit().ok());
    EXPECT_EQ(database->prepare_commit().error().code, Code::invalid);
    ASSERT_TRUE(database->commit().ok());
    EXPECT_EQ(get(*database, "a").size(), 9000u);
    EXPECT_EQ(*database->check(), 1u);
}

TEST_P(Transaction, AnEmptyOneWritesNothing) {
    FaultyDisk disk;
    auto database = open_mode({.disk = &disk});
    put(*database, "a", "1");
    const unsigned before = disk.operations();
    ASSERT_TRUE(database->begin().ok());
    EXPECT_EQ(get(*database, "a"), "1");
    ASSERT_TRUE(database->commit().ok());
    EXPECT_EQ(disk.operations(), before);
}

TEST_P(Transaction, BehaveAsAMapUnderRandomWork) {
    auto database = open_mode();
    std::mt19937 random(11);
    Records model;
    for (int round = 0; round < 60; round++) {
        Records changed = model;
        ASSERT_TRUE(database->begin().ok());
        for (int step = 0; step < 40; step++) {
            const std::string key = "key" + std::to_string(random() % 90);
            if (random() % 3 == 0) {
                EXPECT_EQ(*database->remove(as_bytes(key)), changed.erase(key) == 1);
            } else {
                put(*database, key, changed[key] = std::string(random() % (step == 3 ? 30000 : 400), static_cast<char>('a' + step % 26)));
            }
        }
        EXPECT_EQ(contents(*database), changed);
        if (random() % 3 == 0) {
            database->cancel();
        } else {
            ASSERT_TRUE(database->commit().ok());
            model = changed;
        }
        if (random() % 4 == 0) put(*database, "between", model["between"] = std::to_string(round));
        ASSERT_EQ(contents(*database), model);
        auto checked = database->check();
        ASSERT_TRUE(checked.ok()) << checked.error().message();
    }
}

TEST_P(Transaction, RepackGathersWhatIsFree) {
    auto database = open_mode();
    Records model;
    for (int i = 0; i < 400; i++)
        put(*database, "key" + std::to_string(i), model["key" + std::to_string(i)] = std::string(static_cast<size_t>(i % 61), 'v'));
    for (int i = 0; i < 400; i += 3) {
        ASSERT_TRUE(*database->remove(as_bytes("key" + std::to_string(i))));
        model.erase("key" + std::to_string(i));
    }
    uintmax_t size = 0;
    for (int round = 0; round < 6; round++) {
        ASSERT_TRUE(database->repack().ok());
        ASSERT_EQ(contents(*database), model);
        auto checked = database->check();
        ASSERT_TRUE(checked.ok()) << checked.error().message();
        auto summary = database->summary();
        ASSERT_TRUE(summary.ok());
        EXPECT_EQ(summary->dead.count, 0u);
        EXPECT_LE(summary->free.count, 3u);
        EXPECT_EQ(summary->keys.count, model.size());
        if (round == 2) size = std::filesystem::file_size(path);
        put(*database, "key1", model["key1"] = std::to_string(round));
    }
    EXPECT_EQ(std::filesystem::file_size(path), size) << "each repack makes the file larger";
    ASSERT_TRUE(database->begin().ok());
    put(*database, "inside", model["inside"] = "i");
    ASSERT_TRUE(database->repack().ok());
    EXPECT_EQ(contents(*database), model);
    ASSERT_TRUE(database->commit().ok());
    EXPECT_EQ(contents(*database), model);
    EXPECT_TRUE(database->check().ok());
}

TEST_P(Transaction, AFragmentedFileIsRepackedByACommit) {
    auto database = open_mode();
    const int records = 9000;
    for (int i = 0; i < records; i++) put(*database, "key" + std::to_string(i), "v");
    ASSERT_TRUE(database->begin().ok());
    for (int i = 0; i < records; i += 2) ASSERT_TRUE(*database->remove(as_bytes("key" + std::to_string(i))));
    ASSERT_TRUE(database->commit().ok());
    ASSERT_TRUE(database->begin().ok());
    for (int i = 0; i < 34; i++) put(*database, "other" + std::to_string(i), std::string(500, 'o'));
    EXPECT_GT(database->summary()->free.count, limits::max_tdb_free_records);
    ASSERT_TRUE(database->commit().ok());
    EXPECT_LT(database->summary()->free.count, 100u);
    EXPECT_EQ(*database->check(), static_cast<uint64_t>(records / 2 + 34));
}

TEST_P(Transaction, AllRecordsAreLockedAtOnce) {
    auto database = open_mode();
    put(*database, "a", "1");
    {
        auto all = database->lock_all(Intent::write);
        ASSERT_TRUE(all.ok());
        put(*database, "a", "2");
        EXPECT_EQ(in_child(*database, [&] { return database->try_fetch_locked(as_bytes("a")).ok() ? 1 : 0; }), 0);
        EXPECT_EQ(in_child(*database, [&] { return database->lock_all(Intent::read, false).ok() ? 1 : 0; }), 0);
        EXPECT_EQ(*database->check(), 1u);
    }
    {
        auto all = database->lock_all(Intent::read);
        ASSERT_TRUE(all.ok());
        EXPECT_EQ(in_child(*database, [&] { return get(*database, "a") == "2" ? 0 : 1; }), 0);
        EXPECT_EQ(in_child(*database, [&] { return database->try_fetch_locked(as_bytes("a")).ok() ? 1 : 0; }), 0);
    }
    EXPECT_EQ(in_child(*database, [&] { return database->try_fetch_locked(as_bytes("a")).ok() ? 0 : 1; }), 0);
    // Nobody locks all while somebody else has one.
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::alarm(20);
        auto reopened = database->reopen_after_fork();
        auto held = database->fetch_locked(as_bytes("a"));
        if (!reopened || !held || ::write(ready[1], "r", 1) != 1) ::_exit(1);
        for (;;) ::pause();
    }
    char byte;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    EXPECT_EQ(database->lock_all(Intent::read, false).error().code, Code::busy);
    EXPECT_EQ(database->try_begin().error().code, Code::busy);
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    EXPECT_TRUE(database->lock_all(Intent::write, false).ok());
    for (const int fd : ready) ::close(fd);
}

TEST_F(TransactionFile, ReadersMayNotBegin) {
    put(*open(), "a", "1");
    auto database = open({.read_only = true});
    EXPECT_EQ(database->begin().error().code, Code::denied);
    EXPECT_EQ(database->repack().error().code, Code::denied);
}

// What goes wrong, and what is left

// Before: some records. The change: values that fit in place, new ones, removals; `grow` also needs a larger file.
void fill(FileDatabase& database) {
    for (int i = 0; i < 30; i++)
        ASSERT_TRUE(database.store(as_bytes("key" + std::to_string(i)), as_bytes(std::string(static_cast<size_t>(40 + i * 7), 'o'))).ok());
}

void change(FileDatabase& database, bool grow) {
    for (int i = 0; i < 30; i += 3) (void)database.remove(as_bytes("key" + std::to_string(i))).ok();
    for (int i = 1; i < 30; i += 3) (void)database.store(as_bytes("key" + std::to_string(i)), as_bytes(std::string(60, 'n'))).ok();
    (void)database.store(as_bytes("new"), as_bytes(std::string(grow ? 20000 : 30, 'N'))).ok();
}

// How the transaction finds the file: without a recovery area, with one, with one that is too small.
struct Situation {
    const char* name;
    bool earlier;  // a transaction has been before
    bool grow;
    bool large;  // it changes more than the recovery area has room for
};

class Faults : public TransactionFile, public testing::WithParamInterface<Situation> {
 protected:
    void make() {
        auto database = open({.hash_size = 7});
        fill(*database);
        if (GetParam().large) {
            for (int i = 0; i < 60; i++) put(*database, "large" + std::to_string(i), std::string(1000, 'L'));
        }
        if (GetParam().earlier) {
            ASSERT_TRUE(database->begin().ok());
            put(*database, "key0", "by a transaction");
            ASSERT_TRUE(database->commit().ok());
        }
        before = contents(*database);
        database.reset();
        original = read_file(path);
        database = open();
        ASSERT_TRUE(database->begin().ok());
        work(*database);
        after = contents(*database);
        database.reset();
        ASSERT_NE(before, after);
    }
    void work(FileDatabase& database) {
        change(database, GetParam().grow);
        for (int i = 0; GetParam().large && i < 60; i++)
            (void)database.store(as_bytes("large" + std::to_string(i)), as_bytes(std::string(1001, 'M'))).ok();
    }
    // Opens the file as the next one does, and looks.
    bool is(const Records& expected, const std::string& where) {
        auto database = open();
        if (!database) return false;
        auto checked = database->check();
        EXPECT_TRUE(checked.ok()) << where << ": " << checked.error().message();
        return contents(*database) == expected;
    }

    Records before, after;
    std::string original;
};

INSTANTIATE_TEST_SUITE_P(File, Faults,
                         testing::Values(Situation{"first", false, false, false}, Situation{"first_grows", false, true, false},
                                         Situation{"again", true, false, false}, Situation{"again_grows", true, true, false},
                                         Situation{"needs_more_room", true, false, true},
                                         Situation{"needs_more_room_grows", true, true, true}),
                         [](const auto& situation) { return situation.param.name; });

TEST_P(Faults, AFailureAtAnyStepIsAnErrorAndLeavesWhatWas) {
    make();
    for (const int error : {ENOSPC, EIO}) {
        for (const unsigned count : {1u, 2u, 1000u}) {
            for (unsigned step = 1;; step++) {
                ASSERT_LT(step, 200u);
                write_file(path, original);
                FaultyDisk disk;
                auto database = open({.disk = &disk});
                ASSERT_TRUE(database->begin().ok());
                work(*database);
                disk.fail_at(step, error, count);
                auto committed = database->commit();
                if (disk.operations() < step) {
                    EXPECT_TRUE(committed.ok());
                    EXPECT_GT(step, 4u);
                    break;
                }
                const std::string where = std::string(GetParam().name) + " step " + std::to_string(step) + " of " + std::to_string(count);
                ASSERT_FALSE(committed.ok()) << where;
                EXPECT_EQ(committed.error().code, error == ENOSPC ? Code::no_space : Code::io) << where;
                disk.fail_at(0, 0);
                EXPECT_TRUE(contents(*database) == before) << where;
                auto checked = database->check();
                EXPECT_TRUE(checked.ok()) << where << ": " << checked.error().message();
                // The database goes on working.
                ASSERT_TRUE(database->begin().ok());
                work(*database);
                ASSERT_TRUE(database->commit().ok()) << where;
                EXPECT_TRUE(contents(*database) == after) << where;
                checked = database->check();
                ASSERT_TRUE(checked.ok()) << where << ": " << checked.error().message();
            }
        }
    }
}

TEST_P(Faults, AProcessThatDiesAtAnyStepLeavesWhatWasOrWhatIs) {
    make();
    bool committed = false;
    for (unsigned step = 1; !committed; step++) {
        ASSERT_LT(step, 200u);
        write_file(path, original);
        const pid_t pid = ::fork();
        if (pid == 0) {
            FaultyDisk disk;
            auto database = FileDatabase::open({.path = path, .disk = &disk});
            if (!database || !(*database)->begin()) ::_exit(2);
            work(**database);
            disk.die_at(step);
            ::_exit((*database)->commit().ok() ? 0 : 3);
        }
        int status = 0;
        ::waitpid(pid, &status, 0);
        committed = WIFEXITED(status);
        if (committed) {
            EXPECT_EQ(WEXITSTATUS(status), 0);
        }
        auto database = open();
        ASSERT_NE(database, nullptr);
        const Records found = contents(*database);
        EXPECT_TRUE(found == after || (!committed && found == before)) << "step " << step;
        auto checked = database->check();
        ASSERT_TRUE(checked.ok()) << "step " << step << ": " << checked.error().message();
        // What the dead one had added is used by the next transaction.
        ASSERT_TRUE(database->begin().ok());
        work(*database);
        ASSERT_TRUE(database->commit().ok());
        EXPECT_TRUE(contents(*database) == after) << "step " << step;
        checked = database->check();
        ASSERT_TRUE(checked.ok()) << "step " << step << ": " << checked.error().message();
    }
}

// The disk has taken what was synced, and of what was written since any sectors.
TEST_P(Faults, AMachineThatStopsLeavesWhatWasOrWhatIs) {
    make();
    write_file(path, original);
    RecordingDisk disk;
    {
        auto database = open({.disk = &disk});
        ASSERT_TRUE(database->begin().ok());
        work(*database);
        disk.operations.clear();
        ASSERT_TRUE(database->commit().ok());
    }
    std::mt19937 random(5);
    const std::function<bool()> ways[] = {[] { return false; }, [] { return true; }, [&] { return random() % 2 == 0; },
                                          [&] { return random() % 10 == 0; }, [&] { return random() % 10 != 0; }};
    for (size_t done = 0; done <= disk.operations.size(); done++) {
        for (size_t way = 0; way < 12; way++) {
            const std::string image = image_after(original, disk.operations, done, ways[std::min<size_t>(way, 4)]);
            const std::string where = "after " + std::to_string(done) + " of " + std::to_string(disk.operations.size()) + " operations";
            write_file(path, image);
            RecordingDisk again;
            Records found;
            {
                auto database = open({.disk = &again});
                ASSERT_NE(database, nullptr) << where;
                found = contents(*database);
                auto checked = database->check();
                ASSERT_TRUE(checked.ok()) << where << ": " << checked.error().message();
            }
            const bool all = done == disk.operations.size();
            ASSERT_TRUE(found == after || (!all && found == before)) << where;
            // It stops once more, while that is undone.
            for (size_t redone = 0; redone <= again.operations.size() && way < 5; redone++) {
                write_file(path, image_after(image, again.operations, redone, ways[way]));
                ASSERT_TRUE(is(found, where + ", then " + std::to_string(redone))) << where;
            }
        }
    }
}

// Others that had the database open all the while undo what a dead one left when they next come to a record.
TEST_P(Transaction, WhoeverMeetsADeadCommitterUndoesIt) {
    FaultyDisk disk;
    auto database = open_mode({.disk = &disk});
    fill(*database);
    ASSERT_TRUE(database->begin().ok());
    put(*database, "key0", "by a transaction");
    ASSERT_TRUE(database->commit().ok());
    const Records before = contents(*database);
    Records after;
    for (unsigned step = 1;; step++) {
        ASSERT_LT(step, 200u);
        const int outcome = in_child(*database, [&] {
            if (!database->begin()) return 2;
            change(*database, step % 2 == 0);
            disk.die_at(step);
            return database->commit().ok() ? 0 : 3;
        });
        if (outcome == 0) break;
        ASSERT_EQ(outcome, -1) << step;
        // First by one that only looks, then by one that changes.
        EXPECT_EQ(get(*database, "key1"), before.at("key1")) << step;
        EXPECT_TRUE(contents(*database) == before) << step;
        auto checked = database->check();
        ASSERT_TRUE(checked.ok()) << step << ": " << checked.error().message();
    }
    EXPECT_NE(contents(*database), before);
    auto checked = database->check();
    EXPECT_TRUE(checked.ok()) << checked.error().message();
}

// A reader cannot write, but has to see the file as it was: whether it came before or after the death.
TEST_F(TransactionFile, AReaderUndoesWhatADeadCommitterLeft) {
    fill(*open({.hash_size = 7}));
    const std::string original = read_file(path);
    const Records before = contents(*open());
    for (const bool comes_before : {false, true}) {
        write_file(path, original);
        int go[2];
        ASSERT_EQ(::pipe(go), 0);
        const pid_t pid = ::fork();
        if (pid == 0) {
            FaultyDisk disk;
            auto database = FileDatabase::open({.path = path, .disk = &disk});
            char byte;
            if (!database || ::read(go[0], &byte, 1) != 1 || !(*database)->begin()) ::_exit(2);
            change(**database, false);
            disk.die_at(7);
            (void)(*database)->commit().ok();
            ::_exit(3);
        }
        std::unique_ptr<FileDatabase> reader;
        if (comes_before) reader = open({.read_only = true});
        ASSERT_EQ(::write(go[1], "g", 1), 1);
        int status = 0;
        ::waitpid(pid, &status, 0);
        EXPECT_TRUE(WIFSIGNALED(status));
        EXPECT_NE(read_file(path), original);
        if (!comes_before) reader = open({.read_only = true});
        EXPECT_EQ(contents(*reader), before);
        EXPECT_TRUE(reader->check().ok());
        for (const int fd : go) ::close(fd);
    }
}

}  // namespace
}  // namespace Atoll::tdb
