// Several processes work on one file at once, in mutex mode with members killed at random moments; in fcntl mode they are killed too, but
// then they write in transactions only. ATOLL_STRESS_SECONDS makes it last longer than the usual moment.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <random>

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/log.h"
#include "tdb/file/file_database.h"

namespace Atoll::tdb {
namespace {

constexpr int members = 8;
constexpr int counters = 4;
constexpr int keys = 60;

// What the members tell in memory that outlives them.
struct Board {
    std::atomic<uint64_t> acknowledged[counters];  // increments that were stored
    std::atomic<uint64_t> acknowledged_pairs;      // transactions that were committed
    std::atomic<uint64_t> operations;
    std::atomic<uint64_t> transactions;
    std::atomic<uint32_t> failures;
    std::atomic<bool> stop;
};

struct Setting {
    const char* name;
    LockMode locks;
    uint32_t hash_size;
    bool kill;
    bool only_transactions = false;
};

// A value says by itself whether it is whole: a number, then bytes made from it.
void make_value(Buffer& out, uint64_t seed) {
    const size_t size = 8 + seed % (seed % 17 == 0 ? 5000 : 300);
    out.resize(size);
    store_le<uint64_t>(out.data(), seed);
    for (size_t i = 8; i < size; i++) out[i] = static_cast<uint8_t>(seed * 31 + i);
}

bool is_whole(Bytes value) {
    if (value.size() < 8) return false;
    Buffer expected;
    make_value(expected, load_le<uint64_t>(value.data()));
    return as_text(expected) == as_text(value);
}

class Member {
 public:
    Member(FileDatabase& database, Board& board, unsigned seed, bool only_transactions)
        : database_(database), board_(board), random_(seed), only_transactions_(only_transactions) {}

    void work() {
        while (!board_.stop.load(std::memory_order_relaxed)) {
            step();
            board_.operations.fetch_add(1, std::memory_order_relaxed);
        }
    }

 private:
    void expect(bool truth, const char* what) {
        if (truth) return;
        std::fprintf(stderr, "a member: %s\n", what);
        board_.failures++;
    }
    template <class T>
    void expect(const Result<T>& result) {
        if (!result.ok()) expect(false, result.error().message().c_str());
    }
    void step() {
        const std::string key = "key" + std::to_string(random_() % keys);
        // The writers in transactions only: a transaction, or a look.
        const uint64_t kinds[] = {3, 4, 7, 8};
        switch (only_transactions_ ? kinds[random_() % 4] : random_() % 8) {
            case 0:
            case 1:
                make_value(value_, random_());
                expect(database_.store(as_bytes(key), value_));
                break;
            case 2: expect(database_.remove(as_bytes(key))); break;
            case 3:
            case 4: {
                auto found = database_.fetch(as_bytes(key), value_);
                expect(found);
                if (found.ok() && *found) expect(is_whole(value_), "a torn value was fetched");
                break;
            }
            case 5: count(); break;
            case 6: replace_pair(); break;
            case 8: transact(); break;
            default:
                if (random_() % 50 == 0) visit_all();
                if (random_() % 20 == 0) transact();
                if (random_() % 50 == 0) compare_pair();
                break;
        }
    }
    void count() {
        const unsigned which = random_() % counters;
        auto record = database_.fetch_locked(as_bytes("counter" + std::to_string(which)));
        expect(record);
        if (!record) return;
        const uint64_t old = record->exists() ? load_le<uint64_t>(record->value().data()) : 0;
        uint8_t bytes[8];
        store_le<uint64_t>(bytes, old + 1);
        expect(record->store(bytes));
        board_.acknowledged[which]++;
    }
    void replace_pair() {
        const std::string low = "key" + std::to_string(random_() % 9), high = "keys" + std::to_string(random_() % 9);
        auto first = database_.fetch_locked(as_bytes(low));
        expect(first);
        if (!first) return;
        auto second = database_.try_fetch_locked(as_bytes(high));
        if (!second) {
            expect(second.error().code == Code::busy, "a try-lock failed otherwise than by being busy");
            return;
        }
        make_value(value_, random_());
        expect(second->store(value_));
        expect(first->remove());
    }
    uint64_t number(const char* key) {
        auto found = database_.fetch(as_bytes(key), value_);
        expect(found);
        return found.ok() && *found ? load_le<uint64_t>(value_.data()) : 0;
    }
    void set_number(const char* key, uint64_t number, size_t size) {
        value_.clear();
        value_.append_zeros(size);
        store_le<uint64_t>(value_.data(), number);
        expect(database_.store(as_bytes(key), value_));
    }
    // Two numbers go up together, and other records change, or nothing does.
    void transact() {
        if (auto begun = database_.begin(); !begun) return expect(begun);
        board_.transactions++;
        const uint64_t left = number("left"), right = number("right");
        expect(left == right, "a transaction is half there");
        set_number("left", left + 1, 8 + random_() % 3000);
        for (uint64_t i = random_() % 6; i > 0; i--) {
            const std::string key = "key" + std::to_string(random_() % keys);
            make_value(value_, random_());
            if (random_() % 3 == 0) {
                expect(database_.remove(as_bytes(key)));
            } else {
                expect(database_.store(as_bytes(key), value_));
            }
        }
        set_number("right", right + 1, 8 + random_() % 300);
        if (random_() % 100 == 0) expect(database_.repack());
        if (random_() % 5 == 0) return database_.cancel();
        expect(database_.commit());
        board_.acknowledged_pairs++;
    }
    void compare_pair() {
        auto all = database_.lock_all(Intent::read);
        expect(all);
        if (all) expect(number("left") == number("right"), "a transaction is seen half");
    }
    void visit_all() {
        auto seen = database_.traverse([&](Bytes key, Bytes value) {
            expect(!as_text(key).starts_with("key") ? value.size() >= 8 : is_whole(value), "a torn value was visited");
            return Visit::go_on;
        });
        expect(seen);
    }

    FileDatabase& database_;
    Board& board_;
    std::mt19937_64 random_;
    bool only_transactions_;
    Buffer value_;
};

class Stress : public testing::TestWithParam<Setting> {
 protected:
    pid_t start(unsigned seed) {
        const pid_t pid = ::fork();
        if (pid != 0) return pid;
        log_set_level(-1);
        if (!database->reopen_after_fork()) ::_exit(1);
        Member(*database, *board, seed, GetParam().only_transactions).work();
        ::_exit(0);
    }

    std::unique_ptr<FileDatabase> database;
    Board* board = nullptr;
};

TEST_P(Stress, NothingIsTornLostOrStuck) {
    const Setting& setting = GetParam();
    std::string directory = testing::TempDir() + "atoll_stress.XXXXXX";
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
    // Without syncs: it is processes that die here.
    auto opened = FileDatabase::open({.path = directory + "/stress.tdb",
                                      .clear_if_first = setting.locks == LockMode::mutex,
                                      .sync = false,
                                      .locks = setting.locks,
                                      .hash_size = setting.hash_size});
    ASSERT_TRUE(opened.ok()) << opened.error().message();
    database = std::move(*opened);
    board = static_cast<Board*>(::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(board, MAP_FAILED);

    std::array<pid_t, members> pids{};
    unsigned seed = 1;
    for (pid_t& pid : pids) pid = start(seed++);
    std::mt19937 random(4);
    unsigned killed = 0;
    const char* seconds = std::getenv("ATOLL_STRESS_SECONDS");
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(seconds ? std::atoi(seconds) * 1000 : 1500);
    while (std::chrono::steady_clock::now() < end) {
        ::usleep(static_cast<useconds_t>(500 + random() % 3000));
        if (!setting.kill) continue;
        pid_t& victim = pids[random() % members];
        ::kill(victim, SIGKILL);
        ::waitpid(victim, nullptr, 0);
        killed++;
        victim = start(seed++);
    }
    board->stop = true;
    for (const pid_t pid : pids) {
        int status = 0;
        ::waitpid(pid, &status, 0);
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    }
    EXPECT_EQ(board->failures, 0u);
    auto records = database->check();
    EXPECT_TRUE(records.ok()) << records.error().message();
    Buffer value;
    uint64_t pairs[2] = {};
    for (const int i : {0, 1}) {
        ASSERT_TRUE(*database->fetch(as_bytes(i == 0 ? "left" : "right"), value));
        pairs[i] = load_le<uint64_t>(value.data());
    }
    EXPECT_EQ(pairs[0], pairs[1]);
    EXPECT_GE(pairs[0], board->acknowledged_pairs) << "a committed transaction is lost";
    uint64_t unacknowledged = pairs[0] - board->acknowledged_pairs;
    for (int i = 0; i < counters && !setting.only_transactions; i++) {
        ASSERT_TRUE(*database->fetch(as_bytes("counter" + std::to_string(i)), value));
        const uint64_t counted = load_le<uint64_t>(value.data());
        EXPECT_GE(counted, board->acknowledged[i]);
        unacknowledged += counted - board->acknowledged[i];
    }
    EXPECT_LE(unacknowledged, killed);
    RecordProperty("operations", static_cast<int>(board->operations));
    RecordProperty("killed", static_cast<int>(killed));
    std::printf("%s: %lu operations, %lu transactions, %u members killed, %lu records left\n", setting.name,
                static_cast<unsigned long>(board->operations), static_cast<unsigned long>(board->transactions), killed,
                static_cast<unsigned long>(records.ok() ? *records : 0));
    ::munmap(board, sizeof(Board));
    ::unlink((directory + "/stress.tdb").c_str());
    ::rmdir(directory.c_str());
}

INSTANTIATE_TEST_SUITE_P(File, Stress,
                         testing::Values(Setting{"mutex_killed", LockMode::mutex, 13, true},
                                         Setting{"mutex_killed_one_chain", LockMode::mutex, 1, true},
                                         Setting{"fcntl", LockMode::fcntl, 13, false},
                                         Setting{"fcntl_transactions_killed", LockMode::fcntl, 13, true, true},
                                         Setting{"mutex_transactions_killed", LockMode::mutex, 13, true, true}),
                         [](const auto& setting) { return setting.param.name; });

}  // namespace
}  // namespace Atoll::tdb
