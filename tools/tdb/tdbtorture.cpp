// tdbtorture: many processes work on one TDB file, and with -k are killed at it; then nothing may be lost, torn or stuck. See
// docs/tdb_tools.md.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <random>
#include <vector>

#include <fmt/format.h>

#include "base/log.h"
#include "tools/tdb/torture_child.h"

namespace Atoll::tools {
namespace {

constexpr const char* usage =
    "Usage: tdbtorture [options]\n\n"
    "   -h             this help message\n"
    "   -n processes   how many work at once (3)\n"
    "   -l loops       operations of each (5000)\n"
    "   -s seed        of what they do\n"
    "   -H hashsize    of the file (2)\n"
    "   -t             change records only in transactions\n"
    "   -k             kill processes at random, and start others in their place; without mutexes implies -t\n"
    "   -m             lock by mutexes\n"
    "   -f file        the file, which is replaced (torture.tdb)\n";
constexpr unsigned stuck_after_seconds = 60;
constexpr unsigned longest_life_us = 20000;  // between two kills

class Torture {
 public:
    Torture(const TortureOptions& options, TortureBoard& board, tdb::FileDatabase& database)
        : options_(options), board_(board), database_(database), random_(options.seed) {}

    // False if a process failed; it has said why.
    bool run() {
        children_.resize(options_.processes);
        generations_.resize(options_.processes);
        for (unsigned number = 0; number < options_.processes; number++) start(number);
        time_t progress = ::time(nullptr);
        for (uint64_t loops = 0; running_ > 0 && good_;) {
            ::usleep(static_cast<useconds_t>(random_() % longest_life_us));
            reap();
            if (options_.kill && running_ > 0) kill_one();
            const uint64_t now = all_loops();
            if (now != loops) progress = ::time(nullptr);
            loops = now;
            if (::time(nullptr) - progress > stuck_after_seconds) {
                fmt::print(stderr, "tdbtorture: nothing has moved for {} seconds: a lock is stuck\n", stuck_after_seconds);
                good_ = false;
            }
        }
        end_all();
        return good_;
    }
    [[nodiscard]] uint64_t kills() const { return kills_; }
    [[nodiscard]] uint64_t all_loops() const {
        uint64_t sum = 0;
        for (unsigned i = 0; i < options_.processes; i++) sum += std::min(board_.processes[i].loops.load(), options_.loops);
        return sum;
    }

 private:
    void start(unsigned number) {
        const pid_t child = ::fork();
        if (child == 0) ::_exit(work(number));
        if (child < 0) {
            fmt::print(stderr, "tdbtorture: cannot fork\n");
            good_ = false;
            return;
        }
        children_[number] = child;
        running_++;
    }

    int work(unsigned number) {
        auto opened = database_.reopen_after_fork();
        auto done = opened ? torture(database_, options_, board_, number, generations_[number]) : opened;
        if (done) return 0;
        fmt::print(stderr, "tdbtorture: process {}: {}\n", number, done.error().message());
        return 1;
    }

    void reap() {
        int status = 0;
        for (pid_t child; (child = ::waitpid(-1, &status, WNOHANG)) > 0;) {
            const auto at = std::find(children_.begin(), children_.end(), child);
            if (at == children_.end()) continue;
            *at = 0;
            running_--;
            good_ = good_ && WIFEXITED(status) && WEXITSTATUS(status) == 0;
        }
    }

    void kill_one() {
        const auto number = static_cast<unsigned>(random_() % options_.processes);
        if (children_[number] == 0) return;
        ::kill(children_[number], SIGKILL);
        int status = 0;
        ::waitpid(children_[number], &status, 0);
        children_[number] = 0;
        running_--;
        if (WIFEXITED(status)) {  // it was quicker
            good_ = good_ && WEXITSTATUS(status) == 0;
            return;
        }
        kills_++;
        generations_[number]++;
        start(number);
    }

    void end_all() {
        for (pid_t& child : children_) {
            if (child == 0) continue;
            ::kill(child, SIGKILL);
            ::waitpid(child, nullptr, 0);
            child = 0;
        }
    }

    const TortureOptions& options_;
    TortureBoard& board_;
    tdb::FileDatabase& database_;
    std::mt19937 random_;
    std::vector<pid_t> children_;  // 0: not running
    std::vector<unsigned> generations_;
    unsigned running_ = 0;
    uint64_t kills_ = 0;
    bool good_ = true;
};

int complain(const Error& error) {
    fmt::print(stderr, "tdbtorture: {}\n", error.message());
    return 1;
}

int run(const TortureOptions& options) {
    ::unlink(options.path.c_str());
    auto database = tdb::FileDatabase::open({.path = options.path,
                                             .clear_if_first = options.mutexes,
                                             .sync = false,  // what is killed are processes, not the machine
                                             .locks = options.mutexes ? tdb::LockMode::mutex : tdb::LockMode::fcntl,
                                             .hash_size = options.hash_size});
    if (!database) return complain(database.error());
    void* shared = ::mmap(nullptr, sizeof(TortureBoard), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return complain(fail_errno(errno, "mmap", "no shared memory").value());
    TortureBoard& board = *new (shared) TortureBoard;
    fmt::print("testing with {} processes, {} loops, seed={}{}{}{}\n", options.processes, options.loops, options.seed,
               options.only_transactions ? ", only transactions" : "", options.kill ? ", killing" : "", options.mutexes ? ", mutexes" : "");
    std::fflush(stdout);
    Torture torture(options, board, **database);
    if (!torture.run()) return 1;
    auto records = verify_torture(**database, options, board);
    if (!records) return complain(records.error());
    fmt::print("OK: {} operations, {} transactions committed, {} processes killed; {} records, check clean\n", torture.all_loops(),
               board.commits.load(), torture.kills(), *records);
    return 0;
}

bool number(const char* text, uint64_t least, uint64_t most, uint64_t& out) {
    char* end = nullptr;
    out = std::strtoull(text, &end, 10);
    return *text != '\0' && *end == '\0' && out >= least && out <= most;
}

int main_of(int argc, char** argv) {
    TortureOptions options;
    options.seed = static_cast<unsigned>(::getpid());
    bool good = true;
    for (int option; (option = ::getopt(argc, argv, "hn:l:s:H:tkmf:")) != -1;) {
        uint64_t value = 0;
        switch (option) {
            case 'n':
                good = good && number(optarg, 1, max_torture_processes, value);
                options.processes = static_cast<unsigned>(value);
                break;
            case 'l':
                good = good && number(optarg, 1, UINT64_MAX / max_torture_processes, value);
                options.loops = value;
                break;
            case 's':
                good = good && number(optarg, 0, UINT32_MAX, value);
                options.seed = static_cast<unsigned>(value);
                break;
            case 'H':
                good = good && number(optarg, 1, tdb::max_hash_size, value);
                options.hash_size = static_cast<uint32_t>(value);
                break;
            case 't': options.only_transactions = true; break;
            case 'k': options.kill = true; break;
            case 'm': options.mutexes = true; break;
            case 'f': options.path = optarg; break;
            case 'h': fmt::print("{}", usage); return 0;
            default: good = false;
        }
    }
    if (!good || optind != argc) {
        fmt::print(stderr, "{}", usage);
        return 1;
    }
    // docs/formats/tdb.md, "When a process dies": in fcntl mode only transactions are promised to survive their process.
    if (options.kill && !options.mutexes) options.only_transactions = true;
    return run(options);
}

}  // namespace
}  // namespace Atoll::tools

int main(int argc, char** argv) { return Atoll::tools::main_of(argc, argv); }
