// smbtorture: runs tests of an SMB2 server and prints what Debian's smbtorture prints of its own.
#include <sys/time.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/utf.h"
#include "torture/test.h"

namespace Atoll::torture {
namespace {

struct CommandLine {
    Target target;
    std::vector<std::string> selected;
    bool list = false;
    bool json = false;
};

struct Outcome {
    std::string name;
    const char* section;
    const char* result;  // "success", "failure", "skip"
    std::string reason;
    double seconds;
};

std::string timestamp() {
    timeval now{};
    ::gettimeofday(&now, nullptr);
    std::tm utc{};
    ::gmtime_r(&now.tv_sec, &utc);
    char text[64];
    std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &utc);
    return fmt::format("{}.{:06}", text, now.tv_usec);
}

// A suite, a test, or anything above them up to a dot.
bool is_selected(const std::vector<std::string>& selected, const std::string& name) {
    for (const std::string& s : selected) {
        if (name == s || (name.size() > s.size() && name.compare(0, s.size(), s) == 0 && name[s.size()] == '.')) return true;
    }
    return false;
}

Outcome run_one(const Target& target, const std::string& name, const TestCase& test) {
    const Monotonic start = monotonic_now();
    Outcome outcome{name, test.section, "success", {}, 0};
    {
        Test t(target, name);
        test.run(t);
        if (t.failed()) outcome.result = "failure";
        if (t.skipped()) outcome.result = "skip";
        if (t.ended()) outcome.reason = t.reason();
    }
    outcome.seconds = std::chrono::duration<double>(monotonic_now() - start).count();
    return outcome;
}

void print(const Outcome& outcome) {
    fmt::print("time: {}\n", timestamp());
    if (outcome.reason.empty()) {
        fmt::print("{}: {}\n", outcome.result, outcome.name);
    } else {
        fmt::print("{}: {} [\n{} ({})\n]\n", outcome.result, outcome.name, outcome.reason, outcome.section);
    }
    std::fflush(stdout);
}

void print_json(const std::vector<Outcome>& outcomes) {
    nlohmann::json tests = nlohmann::json::array();
    for (const Outcome& o : outcomes) {
        tests.push_back({{"name", o.name}, {"section", o.section}, {"result", o.result}, {"reason", o.reason}, {"seconds", o.seconds}});
    }
    fmt::print("{}\n", nlohmann::json{{"tests", tests}}.dump(2));
}

// True if every test passed or was skipped, and there was one.
bool run(const CommandLine& line) {
    std::vector<Outcome> outcomes;
    bool good = true;
    for (const Suite& suite : suites()) {
        for (const TestCase& test : suite.tests) {
            const std::string name = std::string(suite.name) + "." + test.name;
            if (!is_selected(line.selected, name)) continue;
            if (!line.json) {
                fmt::print("time: {}\ntest: {}\n", timestamp(), name);
                std::fflush(stdout);
            }
            outcomes.push_back(run_one(line.target, name, test));
            good &= outcomes.back().result != std::string_view("failure");
            if (!line.json) print(outcomes.back());
        }
    }
    if (line.json) print_json(outcomes);
    if (outcomes.empty()) fmt::print(stderr, "no such suite or test\n");
    return good && !outcomes.empty();
}

void list_tests() {
    for (const Suite& suite : suites()) {
        for (const TestCase& test : suite.tests) fmt::print("{}.{}\n", suite.name, test.name);
    }
}

// //server/share
bool parse_unc(const std::string& unc, Target& target) {
    if (unc.compare(0, 2, "//") != 0) return false;
    const size_t slash = unc.find('/', 2);
    if (slash == std::string::npos || slash == 2 || slash + 1 == unc.size()) return false;
    target.host = unc.substr(2, slash - 2);
    target.share = unc.substr(slash + 1);
    return target.share.find('/') == std::string::npos;
}

// [DOMAIN\]user[%password]
void parse_user(std::string text, Target& target) {
    if (const size_t percent = text.find('%'); percent != std::string::npos) {
        target.password = text.substr(percent + 1);
        text.resize(percent);
    }
    if (const size_t slash = text.find_first_of("\\/"); slash != std::string::npos) {
        target.domain = text.substr(0, slash);
        text.erase(0, slash + 1);
    }
    target.user = text;
}

// required or off, and what else smb.conf(5) calls them
bool parse_use_kerberos(const std::string& text, Target& target) {
    target.use_kerberos = text == "required" || text == "yes";
    return target.use_kerberos || text == "off" || text == "no" || text == "disabled";
}

bool parse_protocol(const std::string& name, Target& target) {
    static const std::map<std::string, smb::Dialect> names = {{"SMB2_02", smb::Dialect::smb2_02}, {"SMB2_10", smb::Dialect::smb2_10},
                                                              {"SMB3_00", smb::Dialect::smb3_00}, {"SMB3_02", smb::Dialect::smb3_02},
                                                              {"SMB3_11", smb::Dialect::smb3_11}, {"SMB3", smb::Dialect::smb3_11}};
    auto it = names.find(name);
    if (it == names.end()) return false;
    target.max_dialect = it->second;
    return true;
}

// torture:NAME=VALUE
bool parse_option(const std::string& text, Target& target) {
    constexpr std::string_view prefix = "torture:";
    const size_t equals = text.find('=');
    if (text.compare(0, prefix.size(), prefix) != 0 || equals == std::string::npos) return false;
    target.options[text.substr(prefix.size(), equals - prefix.size())] = text.substr(equals + 1);
    return true;
}

int main(int argc, char** argv) {
    CLI::App app("Tests an SMB2 server.", "smbtorture");
    CommandLine line;
    std::string user, protocol = "SMB3_11", use_kerberos = "off";
    bool kerberos = false;
    std::vector<std::string> options, words;
    app.add_option("-U,--user", user, "[DOMAIN\\]USER[%PASSWORD]; without it, anonymous");
    app.add_flag("-k,--kerberos", kerberos, "The same as --use-kerberos=required");
    app.add_option("--use-kerberos", use_kerberos, "required or off: log on with Kerberos, as cifs/SERVER and krb5.conf say");
    app.add_option("--use-krb5-ccache", line.target.credential_cache, "Where the tickets are; without it, the default (KRB5CCNAME)");
    app.add_option("-p,--port", line.target.port, "TCP port");
    app.add_option("-m,--max-protocol", protocol, "SMB2_02, SMB2_10, SMB3_00, SMB3_02 or SMB3_11");
    app.add_option("--option", options, "torture:NAME=VALUE")->allow_extra_args(false);
    app.add_flag("--list", line.list, "Print the names of all tests");
    app.add_flag("--json", line.json, "Print the results as JSON");
    app.add_option("words", words, "//server/share, then suites or tests");
    CLI11_PARSE(app, argc, argv);
    if (line.list) {
        list_tests();
        return 0;
    }
    parse_user(user, line.target);
    bool good = !words.empty() && parse_unc(words[0], line.target) && parse_protocol(protocol, line.target) &&
                parse_use_kerberos(kerberos ? "required" : use_kerberos, line.target);
    for (const std::string& o : options) good = good && parse_option(o, line.target);
    if (!good || words.size() < 2) {
        fmt::print(stderr, "smbtorture //server/share -U user%password SUITE... (--help, --list)\n");
        return 2;
    }
    line.selected.assign(words.begin() + 1, words.end());
    return run(line) ? 0 : 1;
}

}  // namespace
}  // namespace Atoll::torture

int main(int argc, char** argv) { return Atoll::torture::main(argc, argv); }
