// Eight processes have changes committed, in batches of mixed operations and with many under way at once, while the committer, single
// processes, or all of them at once are killed over and over. What was acknowledged is there, what was not is there as a whole or not at
// all, and nothing is there twice.
//
// Every batch is made from its worker and number alone, so that the test knows what the n-th leaves behind. It counts them in a record of
// the worker and expects the one before.
//
// ATOLL_TORTURE_OPERATIONS: how many operations in all; `check --full` does a million.
#include <fcntl.h>
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <map>
#include <new>
#include <random>

#include "tdb/committer/durable_store.h"
#include "tdb/committer/process_test.h"
#include "tdb/lmdb/lmdb_database.h"

namespace Atoll::committer {
namespace {

constexpr int workers = 8;
constexpr size_t under_way = 24;  // batches of one worker
constexpr int keys = 60;          // of one worker
using Records = std::map<std::string, std::string>;

// What the workers did, where their death does not reach it.
struct Progress {
    std::atomic<uint64_t> handed_in, acknowledged, operations;
};

std::string counter_key(int worker) { return std::to_string(worker) + "/counter"; }

struct Operation {
    bool store;
    std::string key, value;
};

// What the n-th batch of a worker does.
std::vector<Operation> operations_of(int worker, uint64_t n) {
    std::minstd_rand random(static_cast<unsigned>(n * 8 + static_cast<uint64_t>(worker) + 1));
    std::vector<Operation> operations(1 + random() % 8);
    for (Operation& operation : operations) {
        operation.store = random() % 3 != 0;
        operation.key = std::to_string(worker) + "/" + std::to_string(random() % keys);
        const size_t size = random() % 50 == 0 ? 9000 : random() % 300;
        if (operation.store) operation.value = std::to_string(n) + std::string(size, static_cast<char>('a' + n % 26));
    }
    return operations;
}

Batch batch_of(int worker, uint64_t n) {
    Batch batch;
    const std::string counter = counter_key(worker);
    if (n == 1) {
        batch.expect_absent("one", as_bytes(counter));
    } else {
        batch.expect("one", as_bytes(counter), as_bytes(std::to_string(n - 1)));
    }
    for (const Operation& operation : operations_of(worker, n)) {
        if (operation.store) {
            batch.store("two", as_bytes(operation.key), as_bytes(operation.value));
        } else {
            batch.remove("two", as_bytes(operation.key));
        }
    }
    batch.store("one", as_bytes(counter), as_bytes(std::to_string(n)));
    return batch;
}

class Worker {
 public:
    Worker(const TestDirectory& directory, int number, Progress& progress)
        : number_(number), progress_(progress), store_(directory.path(), directory.path(), &loop_) {}

    [[noreturn]] void run() {
        counters_ = store_.database("one");
        for (;;) {
            uint64_t next = committed() + 1;
            resync_ = false;
            while (!resync_) {
                while (waiting_ < under_way && !resync_) hand_in(next++);
                (void)loop_.run_once(monotonic_now() + std::chrono::seconds(1));
            }
            while (waiting_ > 0) (void)loop_.run_once(monotonic_now() + std::chrono::seconds(1));
        }
    }

 private:
    uint64_t committed() {
        Buffer value;
        auto found = counters_->fetch(as_bytes(counter_key(number_)), value);
        if (!found) give_up(found.error());
        return *found ? std::stoull(std::string(as_text(value))) : 0;
    }

    void hand_in(uint64_t n) {
        const Batch batch = batch_of(number_, n);
        if (progress_.handed_in < n) progress_.handed_in = n;
        waiting_++;
        auto submitted = store_.commits().submit(batch, [this, n](const Result<void>& done) {
            waiting_--;
            // A former life of this worker had handed in the same.
            if (!done && (done.error().code == Code::busy || done.error().code == Code::exists)) {
                resync_ = true;
            } else if (!done) {
                give_up(done.error());
            } else {
                progress_.acknowledged = n;
                progress_.operations += operations_of(number_, n).size() + 1;
            }
        });
        if (!submitted) give_up(submitted.error());
    }

    [[noreturn]] static void give_up(const Error& error) {
        std::fprintf(stderr, "worker: %s\n", error.message().c_str());
        ::_exit(1);
    }

    int number_;
    Progress& progress_;
    loop::Loop loop_;
    DurableStore store_;
    std::unique_ptr<tdb::Database> counters_;
    size_t waiting_ = 0;
    bool resync_ = false;
};

class Torture : public testing::Test {
 protected:
    Torture() {
        void* shared = ::mmap(nullptr, sizeof(Progress) * workers, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        progress = new (shared) Progress[workers]{};
    }
    ~Torture() override {
        if (leader > 0) kill_all();
        ::munmap(progress, sizeof(Progress) * workers);
    }

    // The committer leads the process group. Its first map is small, so that it has to grow.
    void start_all() {
        leader = 0;
        start_committer();
        for (int i = 0; i < workers; i++) start_worker(i);
    }
    void start_committer() {
        committer = fork_child([this] {
            (void)::setpgid(0, leader);
            CommitterSettings settings;
            settings.map_size = 128 * 1024;
            CommitterProcess::run(directory, settings, ::open("/dev/null", O_WRONLY));
        });
        if (leader == 0) leader = committer;
        (void)::setpgid(committer, leader);
        // Workers read at once.
        while (::access(directory.socket().c_str(), F_OK) != 0) ::usleep(1000);
    }
    void start_worker(int i) {
        pids[static_cast<size_t>(i)] = fork_child([this, i] {
            (void)::setpgid(0, leader);
            log_set_level(-1);
            Worker(directory, i, progress[i]).run();
        });
        (void)::setpgid(pids[static_cast<size_t>(i)], leader);
    }
    static void reap(pid_t pid) {
        int status = 0;
        ::waitpid(pid, &status, 0);
        EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "it ended by itself: " << status;
    }
    // As a cut of power, for whoever believes the disk.
    void kill_all() {
        ::killpg(leader, SIGKILL);
        for (const pid_t pid : pids) reap(pid);
        reap(committer);
        leader = -1;
        ::unlink(directory.socket().c_str());
    }
    void kill_one(unsigned which) {
        if (which < workers) {
            ::kill(pids[which], SIGKILL);
            reap(pids[which]);
            start_worker(static_cast<int>(which));
        } else {
            ::kill(committer, SIGKILL);
            reap(committer);
            ::unlink(directory.socket().c_str());
            start_committer();
        }
    }

    void verify() {
        tdb::LmdbEnvironmentOptions options;
        options.path = directory.database();
        auto environment = tdb::LmdbEnvironment::open(options);
        ASSERT_TRUE(environment.ok()) << environment.error().message();
        ASSERT_TRUE((*environment)->clear_dead_readers().ok());
        const Records counters = read_all(*environment, "one");
        for (int i = 0; i < workers; i++) {
            const auto found = counters.find(counter_key(i));
            const uint64_t count = found == counters.end() ? 0 : std::stoull(found->second);
            EXPECT_GE(count, progress[i].acknowledged) << "worker " << i << ": what was acknowledged is lost";
            EXPECT_LE(count, progress[i].handed_in) << "worker " << i;
            for (uint64_t& n = known[static_cast<size_t>(i)]; n < count;) play(i, ++n);
        }
        EXPECT_EQ(read_all(*environment, "two"), model) << "a transaction is half there";
    }
    static Records read_all(const std::shared_ptr<tdb::LmdbEnvironment>& environment, const char* name) {
        Records records;
        auto database = tdb::LmdbDatabase::open(environment, name, tdb::Rank::none);
        EXPECT_TRUE(database.ok());
        auto seen = (*database)->traverse([&](Bytes key, Bytes value) {
            records.emplace(as_text(key), as_text(value));
            return tdb::Visit::go_on;
        });
        EXPECT_TRUE(seen.ok());
        return records;
    }
    void play(int worker, uint64_t n) {
        for (const Operation& operation : operations_of(worker, n)) {
            if (operation.store) {
                model[operation.key] = operation.value;
            } else {
                model.erase(operation.key);
            }
        }
    }
    [[nodiscard]] uint64_t operations() const {
        uint64_t all = 0;
        for (int i = 0; i < workers; i++) all += progress[i].operations;
        return all;
    }

    TestDirectory directory;
    Progress* progress;
    pid_t leader = -1, committer = -1;
    std::array<pid_t, workers> pids{};
    std::array<uint64_t, workers> known{};
    Records model;
};

TEST_F(Torture, KilledAtAnyMomentNothingIsLostOrHalf) {
    const char* wanted = std::getenv("ATOLL_TORTURE_OPERATIONS");
    const uint64_t goal = wanted != nullptr ? std::stoull(wanted) : 30000;
    std::minstd_rand engine(static_cast<unsigned>(::getpid()));
    const auto random = [&engine] { return static_cast<unsigned>(engine()); };
    unsigned cuts = 0, kills = 0;
    while ((operations() < goal || cuts < 8) && !HasFailure()) {
        start_all();
        for (unsigned i = random() % 4; i > 0; i--) {
            ::usleep(1000 * (5 + random() % 60));
            kill_one(random() % 3 == 0 ? workers : random() % workers);
            kills++;
        }
        ::usleep(1000 * (5 + random() % 120));
        kill_all();
        cuts++;
        verify();
    }
    std::printf("%lu operations; all were killed %u times, one of them %u times\n", static_cast<unsigned long>(operations()), cuts, kills);
}

}  // namespace
}  // namespace Atoll::committer
