#include "torture/bench/tdb/measure.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <new>
#include <string>
#include <vector>

namespace Atoll::bench {
namespace {

constexpr unsigned max_processes = 64;

double now(clockid_t clock) {
    timespec t{};
    ::clock_gettime(clock, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

struct Tally {
    uint64_t operations;
    double began, ended;  // on the clock that all share
    double cpu_seconds;
};

// Shared by the parent and its workers.
struct Board {
    std::atomic<unsigned> ready{0};
    std::atomic<bool> go{false};
    std::array<Tally, max_processes> tallies{};
};

void work_until(Worker& worker, const Work& work, double seconds, Tally& tally) {
    const double cpu_began = now(CLOCK_PROCESS_CPUTIME_ID);
    const double began = now(CLOCK_MONOTONIC);
    double at = began;
    do {
        for (unsigned i = 0; i < work.batch; i++) tally.operations += work.step(worker);
        at = now(CLOCK_MONOTONIC);
    } while (at - began < seconds);
    tally.began = began;
    tally.ended = at;
    tally.cpu_seconds = now(CLOCK_PROCESS_CPUTIME_ID) - cpu_began;
}

// A process at work has the file's pages mapped; a new one would be measured by how it meets them for the first time. Both libraries' maps.
void map_pages(const Work& work) {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        unsigned long start = 0, end = 0, offset = 0;
        char path[256] = "";
        if (std::sscanf(line.c_str(), "%lx-%lx %*s %lx %*s %*s %255s", &start, &end, &offset, path) != 4) continue;
        struct stat st {};
        if (std::strstr(path, "/tdbbench.") == nullptr || ::stat(path, &st) != 0) continue;
        const auto size = static_cast<unsigned long>(st.st_size);
        if (offset >= size) continue;
        const unsigned long length = std::min(end - start, size - offset);
        (void)::madvise(reinterpret_cast<void*>(start), length, work.on_disk ? MADV_POPULATE_READ : MADV_POPULATE_WRITE);
    }
}

[[noreturn]] void run_child(Store& store, const Work& work, unsigned number, unsigned processes, double seconds, Board& board) {
    store.after_fork();
    Worker worker{store, number, processes, work.records, std::minstd_rand(number + 1), Buffer(1024), 0};
    worker.value.append_zeros(1024);
    map_pages(work);
    work.step(worker);  // fills caches
    board.ready.fetch_add(1);
    while (!board.go.load()) ::usleep(50);
    work_until(worker, work, seconds, board.tallies[number]);
    ::_exit(0);
}

}  // namespace

Outcome measure(Store& store, const Work& work, unsigned processes, double seconds) {
    if (processes > max_processes) give_up("too many processes");
    void* shared = ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) give_up("no shared memory");
    Board& board = *new (shared) Board;
    std::vector<pid_t> children;
    for (unsigned i = 0; i < processes; i++) {
        const pid_t child = ::fork();
        if (child < 0) give_up("cannot fork");
        if (child == 0) run_child(store, work, i, processes, seconds, board);
        children.push_back(child);
    }
    while (board.ready.load() < processes) {
        int status = 0;
        if (::waitpid(-1, &status, WNOHANG) > 0) give_up("a worker ended before it began");
        ::usleep(100);
    }
    board.go.store(true);
    Outcome outcome;
    for (const pid_t child : children) {
        int status = 0;
        ::waitpid(child, &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) outcome.done = false;
    }
    uint64_t operations = 0;
    double first = board.tallies[0].began, last = board.tallies[0].ended, cpu = 0;
    for (unsigned i = 0; i < processes; i++) {
        const Tally& tally = board.tallies[i];
        if (tally.operations == 0) outcome.done = false;
        operations += tally.operations;
        first = std::min(first, tally.began);
        last = std::max(last, tally.ended);
        cpu += tally.cpu_seconds;
    }
    if (operations > 0) {
        outcome.rate = static_cast<double>(operations) / (last - first);
        outcome.cpu_nanoseconds = cpu * 1e9 / static_cast<double>(operations);
    }
    ::munmap(shared, sizeof(Board));
    return outcome;
}

}  // namespace Atoll::bench
