// Several processes work on one file at once, in mutex mode with members killed at random moments.
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

constexpr int members = 6;
constexpr int counters = 4;
constexpr int keys = 60;

// What the members tell in memory that outlives them.
struct Board {
    std::atomic<uint64_t> acknowledged[counters];  // increments that were stored
    std::atomic<uint64_t> operations;
    std::atomic<uint32_t> failures;
    std::atomic<bool> stop;
};

struct Setting {
    const char* name;
    LockMode locks;
    uint32_t hash_size;
    bool kill;
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
    Member(FileDatabase& database, Board& board, unsigned seed) : database_(database), board_(board), random_(seed) {}

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
        switch (random_() % 8) {
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
            default:
                if (random_() % 50 == 0) visit_all();
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
    void visit_all() {
        auto seen = database_.traverse([&](Bytes key, Bytes value) {
            expect(as_text(key).starts_with("counter") ? value.size() == 8 : is_whole(value), "a torn value was visited");
            return Visit::go_on;
        });
        expect(seen);
    }

    FileDatabase& database_;
    Board& board_;
    std::mt19937_64 random_;
    Buffer value_;
};

class Stress : public testing::TestWithParam<Setting> {
 protected:
    pid_t start(unsigned seed) {
        const pid_t pid = ::fork();
        if (pid != 0) return pid;
        log_set_level(-1);
        if (!database->reopen_after_fork()) ::_exit(1);
        Member(*database, *board, seed).work();
        ::_exit(0);
    }

    std::unique_ptr<FileDatabase> database;
    Board* board = nullptr;
};

TEST_P(Stress, NothingIsTornLostOrStuck) {
    const Setting& setting = GetParam();
    std::string directory = testing::TempDir() + "atoll_stress.XXXXXX";
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
    auto opened = FileDatabase::open(
        {.path = directory + "/stress.tdb", .clear_if_first = true, .locks = setting.locks, .hash_size = setting.hash_size});
    ASSERT_TRUE(opened.ok()) << opened.error().message();
    database = std::move(*opened);
    board = static_cast<Board*>(::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(board, MAP_FAILED);

    std::array<pid_t, members> pids{};
    unsigned seed = 1;
    for (pid_t& pid : pids) pid = start(seed++);
    std::mt19937 random(4);
    unsigned killed = 0;
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(1500);
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
    uint64_t unacknowledged = 0;
    for (int i = 0; i < counters; i++) {
        Buffer value;
        ASSERT_TRUE(*database->fetch(as_bytes("counter" + std::to_string(i)), value));
        const uint64_t counted = load_le<uint64_t>(value.data());
        EXPECT_GE(counted, board->acknowledged[i]);
        unacknowledged += counted - board->acknowledged[i];
    }
    EXPECT_LE(unacknowledged, killed);
    RecordProperty("operations", static_cast<int>(board->operations));
    RecordProperty("killed", static_cast<int>(killed));
    std::printf("%s: %lu operations, %u members killed, %lu records left\n", setting.name, static_cast<unsigned long>(board->operations),
                killed, static_cast<unsigned long>(records.ok() ? *records : 0));
    ::munmap(board, sizeof(Board));
    ::unlink((directory + "/stress.tdb").c_str());
    ::rmdir(directory.c_str());
}

INSTANTIATE_TEST_SUITE_P(File, Stress,
                         testing::Values(Setting{"mutex_killed", LockMode::mutex, 13, true},
                                         Setting{"mutex_killed_one_chain", LockMode::mutex, 1, true},
                                         Setting{"fcntl", LockMode::fcntl, 13, false}),
                         [](const auto& setting) { return setting.param.name; });

}  // namespace
}  // namespace Atoll::tdb
