// smbbench run|hold|limits --option value ...: one measurement, printed as one line of JSON. compare drives it; see docs/bench.md.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "torture/bench/limits.h"
#include "torture/bench/workloads.h"

namespace {

using namespace Atoll;
using namespace Atoll::bench;

using Options = std::map<std::string, std::string>;

constexpr const char* usage =
    "usage: smbbench run    --port N --share S --user U --password P --workload W --directory D --operations N [--host A] [--mode "
    "plain|signed|sealed]\n"
    "                       [--depth N] [--files N] [--block N] [--file-size N] [--seed N] [--milliseconds N] [--wait yes]\n"
    "       smbbench hold   --port N --share S --user U --password P --count N [--guid G] (until standard input ends)\n"
    "       smbbench limits --directory LOCAL-PATH --files N --file-size N\n"
    "workloads: read-sequential write-sequential read-random write-random open-close open-close-root open-exclude\n"
    "           open-close-oplock open-close-durable open-close-persistent stat create delete missing lock lock-unlock list connect\n"
    "           reconnect\n"
    "--milliseconds: none of the operations is started later. --wait: says `ready` when it is logged on, begins at a line of standard\n"
    "input, and leaves at its end\n";

bool parse(int argc, char** argv, Options& options) {
    static const char* known[] = {"host",  "port",  "share", "user",      "password", "workload", "directory", "operations",   "mode",
                                  "depth", "files", "block", "file-size", "seed",     "count",    "guid",      "milliseconds", "wait"};
    for (int i = 2; i < argc; i += 2) {
        const std::string name = argv[i];
        bool found = false;
        for (const char* one : known) found = found || name == std::string("--") + one;
        if (!found || i + 1 >= argc) return false;
        options[name.substr(2)] = argv[i + 1];
    }
    return true;
}

std::string text(const Options& options, const std::string& name, const std::string& otherwise = "") {
    const auto found = options.find(name);
    return found == options.end() ? otherwise : found->second;
}

uint64_t number(const Options& options, const std::string& name, uint64_t otherwise) {
    const auto found = options.find(name);
    return found == options.end() ? otherwise : std::strtoull(found->second.c_str(), nullptr, 10);
}

int complain(const Error& error) {
    std::fprintf(stderr, "%s\n", error.message().c_str());
    return 1;
}

Target target_of(const Options& options) {
    Target target;
    target.host = text(options, "host", "127.0.0.1");
    target.port = static_cast<uint16_t>(number(options, "port", 445));
    target.share = text(options, "share");
    target.user = text(options, "user");
    target.password = text(options, "password");
    const std::string mode = text(options, "mode", "plain");
    target.mode = mode == "sealed" ? Mode::sealed : mode == "signed" ? Mode::signed_ : Mode::plain;
    target.client_guid = parse_guid(text(options, "guid"));
    return target;
}

void print_outcome(const std::string& workload, const std::string& security, const Outcome& outcome, const Counters& counters) {
    std::string requests;
    for (size_t i = 0; i < counters.requests.size(); i++) {
        if (counters.requests[i] == 0) continue;
        requests +=
            fmt::format("{}\"{}\":{}", requests.empty() ? "" : ",", smb::to_string(static_cast<smb::Command>(i)), counters.requests[i]);
    }
    fmt::print(R"({{"workload":"{}","security":"{}","seconds":{:.6f},"operations":{},"bytes":{},"entries":{},"granted":{},"interim":{},)"
               R"("requests":{{{}}}}})"
               "\n",
               workload, security, outcome.measurement.seconds, outcome.measurement.operations, outcome.bytes, outcome.entries,
               outcome.granted, counters.interim, requests);
    std::fflush(stdout);
}

// Until a line of standard input has come, or its end.
void await_line() {
    for (int byte = std::getchar(); byte != '\n' && byte != EOF;) byte = std::getchar();
}

void await_end_of_input() {
    while (std::getchar() != EOF) {
    }
}

int run(const Options& options) {
    const Target target = target_of(options);
    const std::string workload = text(options, "workload");
    WorkloadParams params;
    params.directory = text(options, "directory");
    const bool timed = options.contains("milliseconds");
    params.operations = number(options, "operations", timed ? SIZE_MAX : 1);
    if (timed) params.time = std::chrono::milliseconds(number(options, "milliseconds", 0));
    params.depth = number(options, "depth", 1);
    params.files = number(options, "files", 1);
    params.block = number(options, "block", 4096);
    params.file_size = number(options, "file-size", 0);
    params.seed = number(options, "seed", 88172645463325252);
    if (params.operations == 0 || params.depth == 0 || params.files == 0 || params.block == 0 || params.seed == 0 ||
        ((workload.starts_with("read-") || workload.starts_with("write-")) && params.file_size < params.block)) {
        std::fprintf(stderr, "smbbench: a number is 0, or the file is smaller than a block\n");
        return 2;
    }
    if (workload == "connect" || workload == "reconnect") {
        Counters counters;
        const auto outcome = workload == "connect" ? run_connect(target, params.operations, counters)
                                                   : run_reconnect(target, params.directory + "\\f0", params.operations, counters);
        if (!outcome) return complain(outcome.error());
        print_outcome(workload, "plain", *outcome, counters);
        return 0;
    }
    auto connection = Connection::open(target);
    if (!connection) return complain(connection.error());
    const bool waits = options.contains("wait");
    if (waits) {
        fmt::print("ready\n");
        std::fflush(stdout);
        await_line();
    }
    const auto outcome = run_workload(**connection, workload, params);
    if (!outcome) return complain(outcome.error());
    print_outcome(workload, (*connection)->describe(), *outcome, (*connection)->counters());
    if (waits) await_end_of_input();
    if (auto r = (*connection)->leave(); !r) return complain(r.error());
    return 0;
}

int limits(const Options& options) {
    const auto measured = measure_limits(text(options, "directory"), number(options, "files", 1), number(options, "file-size", 4096));
    if (!measured) return complain(measured.error());
    fmt::print("{}\n", to_json(*measured));
    return 0;
}

int hold(const Options& options) {
    const auto held = hold_connections(target_of(options), number(options, "count", 1));
    return held ? 0 : complain(held.error());
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    const std::string what = argc > 1 ? argv[1] : "";
    if (parse(argc, argv, options)) {
        if (what == "run") return run(options);
        if (what == "hold") return hold(options);
        if (what == "limits") return limits(options);
    }
    std::fputs(usage, stderr);
    return 2;
}
