// tdbbench: our TDB files beside Debian's libtdb, the same work in the same run, in alternation. See docs/bench.md, "Databases".
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "torture/bench/tdb/measure.h"

namespace Atoll::bench {
namespace {

struct Options {
    std::vector<std::string> only;
    std::vector<std::string> modes{"fcntl", "mutex"};
    std::vector<unsigned> processes{1, 2, 4, 8};
    std::string directory = "/dev/shm";
    std::string disk = "/var/tmp";
    std::string library;  // measure only one: for profiles
    unsigned rounds = 15;
    double seconds = 0.1;
    bool smoke = false;
};

struct Summary {
    unsigned passed = 0, failed = 0, slower = 0;
};

constexpr uint64_t smoke_records = 10'000;
constexpr std::array libraries{Library::ours, Library::debian};

// A store of each library, filled alike.
class Pair {
 public:
    Pair(const Options& options, const Work& work, bool mutexes) {
        const std::string& where = work.on_disk ? options.disk : options.directory;
        for (const Library library : libraries) {
            const auto i = static_cast<size_t>(library);
            if (!wanted(options, library)) continue;
            paths_[i] = fmt::format("{}/tdbbench.{}.{}.tdb", where, ::getpid(), library == Library::ours ? "ours" : "debian");
            stores_[i] = Store::make(library, {paths_[i], mutexes, work.hash_size});
            fill(*stores_[i], work);
        }
    }
    Pair(const Pair&) = delete;
    Pair& operator=(const Pair&) = delete;
    ~Pair() {
        for (const std::string& path : paths_) {
            if (!path.empty()) ::unlink(path.c_str());
        }
    }
    static bool wanted(const Options& options, Library library) {
        return options.library.empty() || (options.library == "ours") == (library == Library::ours);
    }
    Store* operator[](Library library) { return stores_[static_cast<size_t>(library)].get(); }

 private:
    std::array<std::string, 2> paths_;
    std::array<std::unique_ptr<Store>, 2> stores_;
};

// The least disturbed round's.
double least_of(const std::vector<double>& values) { return values.empty() ? 0 : *std::min_element(values.begin(), values.end()); }

double median(std::vector<double> values) {
    if (values.empty()) return 0;
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

// All rounds of one row of the table.
struct Row {
    std::array<std::vector<double>, 2> rates, cpu;
    std::vector<double> ratios;  // of a round's two rates, ours to Debian's
    bool done = true;
};

Row measure_row(const Options& options, const Work& work, Pair& pair, unsigned processes) {
    Row row;
    for (unsigned round = 0; round < options.rounds; round++) {
        std::array<double, 2> rates{};
        for (unsigned turn = 0; turn < libraries.size(); turn++) {
            const size_t i = (turn + round) % libraries.size();  // who begins changes from round to round
            Store* store = pair[libraries[i]];
            if (!store) continue;
            const Outcome outcome = measure(*store, work, processes, options.seconds);
            row.done = row.done && outcome.done;
            rates[i] = outcome.rate;
            row.rates[i].push_back(outcome.rate);
            row.cpu[i].push_back(outcome.cpu_nanoseconds);
        }
        if (rates[1] > 0) row.ratios.push_back(rates[0] / rates[1]);
    }
    return row;
}

void print_row(const Work& work, std::string_view mode, unsigned processes, const Row& row, double least, Summary& summary) {
    const double ratio = median(row.ratios);
    const std::array cpu{least_of(row.cpu[0]), least_of(row.cpu[1])};
    const double cpu_ratio = cpu[0] > 0 ? cpu[1] / cpu[0] : 0;
    const bool slower = !row.ratios.empty() && ratio < least;
    const auto [low, high] = std::minmax_element(row.ratios.begin(), row.ratios.end());
    const std::string spread = row.ratios.empty() ? "-" : fmt::format("{:.2f}-{:.2f}", *low, *high);
    fmt::print("| {:<13} | {:<5} | {:>2} | {:>11.0f} | {:>11.0f} | {:>5.2f} | {:>11} | {:>9.0f} | {:>9.0f} | {:>5.2f} | {:>4.2f} {} |\n",
               work.name, mode, processes, median(row.rates[0]), median(row.rates[1]), ratio, spread, median(row.cpu[0]),
               median(row.cpu[1]), cpu_ratio, least, slower ? "slower" : "      ");
    std::fflush(stdout);
    summary.slower += slower ? 1 : 0;
    (row.done ? summary.passed : summary.failed)++;
}

void run_work(const Options& options, const Work& work, bool mutexes, Summary& summary) {
    const std::string_view mode = mutexes ? "mutex" : "fcntl";
    Pair pair(options, work, mutexes);
    for (const unsigned processes : options.processes) {
        const Row row = measure_row(options, work, pair, processes);
        print_row(work, mode, processes, row, mutexes ? work.least_mutex : work.least_fcntl, summary);
    }
    for (const Library library : libraries) {
        if (Store* store = pair[library]) store->check();  // gives up if the file is damaged
    }
}

bool chosen(const std::vector<std::string>& words, std::string_view name) {
    return words.empty() || std::find(words.begin(), words.end(), name) != words.end();
}

int run(const Options& options) {
    Summary summary;
    fmt::print("| {:<13} | {:<5} | {:>2} | {:>11} | {:>11} | {:>5} | {:>11} | {:>9} | {:>9} | {:>5} | {:>11} |\n", "work", "mode", "n",
               "ours /s", "libtdb /s", "ratio", "spread", "ours ns", "libtdb ns", "cpu", "wanted");
    for (Work work : all_works()) {
        if (!chosen(options.only, work.name)) continue;
        if (options.smoke) work.records = std::min(work.records, smoke_records);
        for (const bool mutexes : {false, true}) {
            if (!chosen(options.modes, mutexes ? "mutex" : "fcntl") || (mutexes && !work.mutexes)) continue;
            run_work(options, work, mutexes, summary);
        }
    }
    if (!options.smoke) fmt::print("{} rows, {} slower than wanted\n", summary.passed + summary.failed, summary.slower);
    fmt::print("tdbbench: {} passed, {} failed\n", summary.passed, summary.failed);
    return summary.failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace Atoll::bench

int main(int argc, char** argv) {
    Atoll::bench::Options options;
    CLI::App app("Our TDB files beside Debian's libtdb: the same work in alternation. The ratio is that of the operations a second.");
    std::string names;
    for (const auto& work : Atoll::bench::all_works()) names += fmt::format("\n  {:<13}{}", work.name, work.what);
    app.footer("Kinds of work:" + names);
    app.add_option("--only", options.only, "these kinds of work");
    app.add_option("--mode", options.modes, "fcntl, mutex");
    app.add_option("--processes", options.processes, "how many at once; 1 2 4 8");
    app.add_option("--on", options.directory, "where the files are");
    app.add_option("--disk", options.disk, "where they are when they are synced");
    app.add_option("--library", options.library, "only ours, or debian");
    app.add_option("--rounds", options.rounds, "of each row");
    app.add_option("--seconds", options.seconds, "of each round and library");
    app.add_flag("--smoke", options.smoke, "a little of everything: that it can be measured, not how fast it is");
    CLI11_PARSE(app, argc, argv);
    if (options.smoke) {
        options.rounds = 1;
        options.seconds = 0.01;
        options.processes = {1, 4};
    }
    return Atoll::bench::run(options);
}
