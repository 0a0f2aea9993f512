// ctdbsim: runs the simulator, one seed after the other, and prints what was covered.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "ctdb/sim/planting.h"
#include "ctdb/sim/world.h"

namespace Atoll::ctdb::sim {
namespace {

constexpr uint64_t max_jobs = 64;

struct Request {
    Options options;
    uint64_t seeds = 1;
    double seconds = 0;   // 0: all seeds
    uint64_t cover = 0;   // goes on until each kind of fault has met each phase so often, and nothing else is uncovered()
    double patience = 0;  // but no longer than so many seconds
    uint64_t jobs = 1;    // that many at once
    bool tables = false;
    bool plants_all = false;  // looks for each planted fault instead
    bool growth = false;  // what it costs instead, in clusters of more and more nodes
};

struct Totals {
    uint64_t seeds = 0, steps = 0, delivered = 0, changes = 0, reads = 0, transactions = 0, failed = 0;
    Time virtual_time = 0;
    FaultTable faults;
    Transitions transitions;
};

int usage() {
    std::fputs(
        "ctdbsim [--seed N] [--seeds N] [--seconds N] [--nodes N] [--steps N] [--slots N] [--keys N] [--addresses N] [--fault-interval MS] "
        "[--no-faults]\n"
        "        [--lock | --no-lock] [--plant NAME|all] [--jobs N] [--cover N] [--patience N] [--tables] [--trace] [--growth]\n"
        "Simulates a cluster from each of the seeds and checks its invariants after every step. A failing seed fails again: ctdbsim --seed "
        "N --trace\n"
        "with the same options. One cluster in four has no cluster lock and leads by majority: --no-lock and --lock make it all, or none. --seconds ends after so many, --plant breaks a rule of the protocol, which has to be found; all: each in turn, in a world of its own.\n"
        "--cover goes on after that until each kind of fault has met each phase N times, or fails after --patience seconds.\n"
        "--growth prints what clusters of 3 nodes to --nodes with --keys records cost.\n",
        stderr);
    return 2;
}

Planted planted_of(const std::string& name) {
    for (size_t index = 0; index < static_cast<size_t>(Planted::count); index++) {
        if (name == name_of(static_cast<Planted>(index))) return static_cast<Planted>(index);
    }
    return Planted::count;
}

bool take_number(Request& request, const std::string& name, const char* value) {
    const uint64_t number = std::strtoull(value, nullptr, 10);
    Options& options = request.options;
    if (name == "--seed")
        options.seed = number;
    else if (name == "--seeds")
        request.seeds = number;
    else if (name == "--seconds")
        request.seconds = std::strtod(value, nullptr);
    else if (name == "--cover")
        request.cover = number;
    else if (name == "--patience")
        request.patience = std::strtod(value, nullptr);
    else if (name == "--jobs")
        request.jobs = number;
    else if (name == "--nodes")
        options.nodes = static_cast<uint32_t>(number);
    else if (name == "--steps")
        options.steps = number;
    else if (name == "--slots")
        options.slots = static_cast<uint32_t>(number);
    else if (name == "--keys")
        options.keys = static_cast<uint32_t>(number);
    else if (name == "--addresses")
        options.addresses = static_cast<uint32_t>(number);
    else if (name == "--fault-interval")
        options.fault_interval = number;
    else if (name == "--plant")
        options.planted = planted_of(value);
    else
        return false;
    return options.planted != Planted::count;
}

bool parse(int argc, char** argv, Request& request) {
    for (int at = 1; at < argc; at++) {
        const std::string name = argv[at];
        if (name == "--no-faults")
            request.options.faults = false;
        else if (name == "--lock")
            request.options.lock = Options::Lock::service;
        else if (name == "--no-lock")
            request.options.lock = Options::Lock::none;
        else if (name == "--tables")
            request.tables = true;
        else if (name == "--plant" && at + 1 < argc && std::strcmp(argv[at + 1], "all") == 0)
            request.plants_all = true, at++;
        else if (name == "--growth")
            request.growth = true;
        else if (name == "--trace")
            request.options.trace = true;
        else if (at + 1 >= argc || !take_number(request, name, argv[++at]))
            return false;
    }
    return request.options.slots > 0 && request.options.slots <= protocol::SLOTS && request.options.keys > 2 &&
           request.options.nodes <= protocol::MAX_NODES && request.jobs > 0 && request.jobs <= max_jobs;
}

void print_tables(const Totals& totals) {
    std::printf("\n%-18s", "faults");
    for (size_t phase = 0; phase < static_cast<size_t>(Phase::count); phase++)
        std::printf(" %*s", static_cast<int>(std::max<size_t>(7, std::strlen(name_of(static_cast<Phase>(phase))))),
                    name_of(static_cast<Phase>(phase)));
    for (size_t fault = 0; fault < static_cast<size_t>(Fault::count); fault++) {
        std::printf("\n%-18s", name_of(static_cast<Fault>(fault)));
        for (size_t phase = 0; phase < static_cast<size_t>(Phase::count); phase++)
            std::printf(" %*lu", static_cast<int>(std::max<size_t>(7, std::strlen(name_of(static_cast<Phase>(phase))))),
                        totals.faults.count(static_cast<Fault>(fault), static_cast<Phase>(phase)));
    }
    std::printf("\n\ntransitions\n");
    for (size_t index = 0; index < static_cast<size_t>(Transition::count); index++)
        std::printf("%-22s %12lu%s", name_of(static_cast<Transition>(index)), totals.transitions.count(static_cast<Transition>(index)),
                    index % 4 == 3 ? "\n" : "    ");
    std::printf("\n");
}

void add(Totals& totals, const Outcome& outcome) {
    totals.seeds++;
    totals.steps += outcome.steps;
    totals.delivered += outcome.delivered;
    totals.changes += outcome.changes;
    totals.reads += outcome.reads;
    totals.transactions += outcome.transactions;
    totals.virtual_time += outcome.virtual_time;
    totals.faults.add(outcome.faults);
    for (size_t index = 0; index < static_cast<size_t>(Transition::count); index++)
        totals.transitions.add(static_cast<Transition>(index), outcome.transitions.count(static_cast<Transition>(index)));
}

// What a run must have met. Each phase can meet each kind of fault, and each transition can be taken.
constexpr uint64_t least_faults = 100000;
constexpr uint64_t least_messages = 10000000;

// What is missing, one a line.
std::vector<std::string> uncovered(const Totals& totals, uint64_t least_in_cell) {
    std::vector<std::string> missing;
    for (size_t fault = 0; fault < static_cast<size_t>(Fault::count); fault++) {
        for (size_t phase = 0; phase < static_cast<size_t>(Phase::count); phase++) {
            const uint64_t count = totals.faults.count(static_cast<Fault>(fault), static_cast<Phase>(phase));
            if (count < least_in_cell)
                missing.push_back(std::string(name_of(static_cast<Fault>(fault))) + " has met " + name_of(static_cast<Phase>(phase)) + " " +
                                  std::to_string(count) + " times");
        }
    }
    for (size_t index = 0; index < static_cast<size_t>(Transition::count); index++) {
        if (totals.transitions.count(static_cast<Transition>(index)) == 0)
            missing.push_back(std::string(name_of(static_cast<Transition>(index))) + " was not taken");
    }
    if (totals.faults.total() < least_faults) missing.push_back("only " + std::to_string(totals.faults.total()) + " faults");
    if (totals.delivered < least_messages) missing.push_back("only " + std::to_string(totals.delivered) + " messages");
    return missing;
}

// Runs seeds, each after those that its siblings have taken, until there are no more or time is over.
class Runs {
 public:
    explicit Runs(const Request& request) : request_(request), next_(request.options.seed) {}

    const Totals& all() {
        std::vector<std::thread> siblings;
        for (uint64_t job = 1; job < request_.jobs; job++) siblings.emplace_back([this] { work(); });
        work();
        for (std::thread& sibling : siblings) sibling.join();
        return totals_;
    }
    [[nodiscard]] double elapsed() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count(); }

 private:
    void work() {
        Options options = request_.options;
        while (take(options.seed)) finished(options.seed, World(options).run());
    }
    bool take(uint64_t& seed) {
        const std::lock_guard lock(mutex_);
        if (enough() && (request_.cover == 0 || elapsed() >= request_.patience || uncovered(totals_, request_.cover).empty())) return false;
        seed = next_++;
        return true;
    }
    [[nodiscard]] bool enough() const {
        return request_.seconds > 0 ? elapsed() >= request_.seconds : next_ - request_.options.seed >= request_.seeds;
    }
    void finished(uint64_t seed, const Outcome& outcome) {
        const std::lock_guard lock(mutex_);
        add(totals_, outcome);
        if (!outcome.violation) return;
        totals_.failed++;
        std::printf("FAIL seed %lu (%u nodes): %s\n", seed, outcome.nodes, outcome.violation->c_str());
    }

    const Request& request_;
    const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
    std::mutex mutex_;
    uint64_t next_;
    Totals totals_;
};

int run(const Request& request) {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    Runs runs(request);
    const Totals& totals = runs.all();
    if (request.tables) print_tables(totals);
    std::printf(
        "%lu seeds, %lu steps, %lu messages, %lu faults, %lu changes of records and %lu reads, %lu transactions, %lu s of virtual time in %.1f s\n",
        totals.seeds, totals.steps, totals.delivered, totals.faults.total(), totals.changes, totals.reads, totals.transactions,
        totals.virtual_time / second, runs.elapsed());
    const std::vector<std::string> missing = request.cover > 0 ? uncovered(totals, request.cover) : std::vector<std::string>();
    for (const std::string& what : missing) std::printf("FAIL %s\n", what.c_str());
    std::printf("simulator: %lu passed, %lu failed\n", totals.seeds - totals.failed, totals.failed + missing.size());
    return totals.failed == 0 && missing.empty() ? 0 : 1;
}

// Each rule broken in turn has to be found.
int plant_all(const Request& request) {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    std::mutex mutex;
    auto next = static_cast<uint8_t>(Planted::none);
    unsigned passed = 0, failed = 0;
    const auto look = [&] {
        std::unique_lock lock(mutex);
        while (++next < static_cast<uint8_t>(Planted::count)) {
            const auto planted = static_cast<Planted>(next);
            lock.unlock();
            const auto began = std::chrono::steady_clock::now();
            const std::optional<Found> found = find(planted);
            const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
            lock.lock();
            (found ? passed : failed)++;
            if (found) {
                std::printf("%-22s seed %3lu, %5.1f s: %s\n", name_of(planted), found->seed, took.count(), found->violation.c_str());
            } else {
                std::printf("FAIL %s was not found\n", name_of(planted));
            }
        }
    };
    std::vector<std::thread> siblings;
    for (uint64_t job = 1; job < request.jobs; job++) siblings.emplace_back(look);
    look();
    for (std::thread& sibling : siblings) sibling.join();
    std::printf("planted faults: %u passed, %u failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}

int grow(const Request& request) {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    std::printf("%6s %10s %22s %20s %14s %18s %18s %10s\n", "nodes", "records", "idle messages/node/s", "messages per change",
                "recovery, ms", "recovery messages", "recovery, CPU ms", "took, s");
    int status = 0;
    const uint32_t most = request.options.nodes;
    for (uint32_t nodes = 3; nodes <= most; nodes = nodes < most && nodes * 4 > most ? most : nodes * 3 + 1) {
        Options options = request.options;
        options.nodes = nodes;
        options.addresses = nodes;
        options.slots = protocol::SLOTS;
        options.faults = options.transactions = options.mirrored = options.readers = false;
        const auto began = std::chrono::steady_clock::now();
        const Cost cost = World(options).measure();
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
        std::printf("%6u %10lu %22.1f %20.2f %14.1f %18lu %18.1f %10.1f\n", cost.nodes, cost.records, cost.idle_messages, cost.messages_per_change,
                    static_cast<double>(cost.recovery_time) / static_cast<double>(millisecond), cost.recovery_messages,
                    cost.recovery_processor * 1000, took.count());
        if (cost.violation.empty()) continue;
        std::printf("FAIL %s\n", cost.violation.c_str());
        status = 1;
    }
    return status;
}

}  // namespace
}  // namespace Atoll::ctdb::sim

int main(int argc, char** argv) {
    Atoll::ctdb::sim::Request request;
    using namespace Atoll::ctdb::sim;
    if (!parse(argc, argv, request)) return usage();
    return request.growth ? grow(request) : request.plants_all ? plant_all(request) : run(request);
}
