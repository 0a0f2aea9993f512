// testparm: checks smb.conf and prints it, in the form of Debian's testparm, which administrators' scripts parse (docs/testparm.md).
#include <fmt/core.h>
#include <getopt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/utf.h"
#include "conf/access_lists.h"
#include "conf/configuration.h"
#include "conf/durability_report.h"

namespace {

using namespace Atoll;

struct Options {
    bool suppress_prompt = false;
    bool verbose = false;
    bool skip_checks = false;
    std::string section_name;
    std::string parameter_name;
    std::string debug_level = "1";
    std::vector<std::pair<std::string, std::string>> overrides;
    std::vector<std::string> arguments;  // file, host name, host address
};

constexpr const char* usage_text =
    "Usage: testparm [OPTION...] [FILE [HOST-NAME HOST-ADDRESS]]\n"
    "  -s, --suppress-prompt        do not wait for Enter before the dump\n"
    "  -v, --verbose                print defaults too\n"
    "  -l, --skip-logic-checks      do not check [global] for contradictions\n"
    "      --section-name=NAME      print this section only\n"
    "      --parameter-name=NAME    print the value of this parameter only\n"
    "      --option=NAME=VALUE      set a parameter of [global]\n"
    "  -d, --debuglevel=LEVEL       taken and not used\n"
    "  -t, --encoding=NAME          taken and not used\n"
    "  -V, --version                print the version\n"
    "  -h, -?, --help               print this text\n";

enum LongOption { opt_section = 256, opt_parameter, opt_option, opt_config, opt_debug_stdout };

constexpr option long_options[] = {{"suppress-prompt", no_argument, nullptr, 's'},
                                   {"verbose", no_argument, nullptr, 'v'},
                                   {"skip-logic-checks", no_argument, nullptr, 'l'},
                                   {"section-name", required_argument, nullptr, opt_section},
                                   {"parameter-name", required_argument, nullptr, opt_parameter},
                                   {"option", required_argument, nullptr, opt_option},
                                   {"configfile", required_argument, nullptr, opt_config},
                                   {"debuglevel", required_argument, nullptr, 'd'},
                                   {"debug-stdout", no_argument, nullptr, opt_debug_stdout},
                                   {"encoding", required_argument, nullptr, 't'},
                                   {"version", no_argument, nullptr, 'V'},
                                   {"help", no_argument, nullptr, 'h'},
                                   {nullptr, 0, nullptr, 0}};

[[noreturn]] void exit_with_usage(FILE* stream, int code) {
    std::fputs(usage_text, stream);
    std::exit(code);
}

void add_override(Options& options, const std::string& text) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
        fmt::print(stderr, "--option takes NAME=VALUE\n");
        std::exit(1);
    }
    options.overrides.emplace_back(text.substr(0, equals), text.substr(equals + 1));
}

Options parse_arguments(int argc, char** argv) {
    Options options;
    std::string config_file;
    for (int c; (c = ::getopt_long(argc, argv, "svld:t:Vh", long_options, nullptr)) != -1;) {
        switch (c) {
            case 's': options.suppress_prompt = true; break;
            case 'v': options.verbose = true; break;
            case 'l': options.skip_checks = true; break;
            case 'd': options.debug_level = optarg; break;
            case 't':
            case opt_debug_stdout: break;
            case opt_section: options.section_name = optarg; break;
            case opt_parameter: options.parameter_name = optarg; break;
            case opt_option: add_override(options, optarg); break;
            case opt_config: config_file = optarg; break;
            case 'V': fmt::print("Version {}\n", conf::MacroValues::version_text()); std::exit(0);
            case 'h': exit_with_usage(stdout, 0);
            default: exit_with_usage(stderr, optopt == '?' ? 0 : 1);
        }
    }
    options.arguments.assign(argv + optind, argv + argc);
    if (options.arguments.empty()) options.arguments.push_back(config_file.empty() ? conf::default_config_file : config_file);
    return options;
}

// ---- printing

void print_parameter(conf::ParameterId id, const conf::Value& value) {
    const conf::Parameter& p = conf::parameter(id);
    fmt::print("\t{} = {}\n", p.name, conf::format_value(p, value));
}

// Latest first, as Debian's testparm prints them.
void print_options(const conf::Section& section) {
    const auto options = section.own_options();
    for (auto option = options.rbegin(); option != options.rend(); ++option) fmt::print("\t{} = {}\n", option->name, option->value);
}

// [global]: its own parameters, then options, then what it gives to shares; without -v only what differs from the default.
void print_global(const conf::Configuration& configuration, bool verbose) {
    const conf::Section& section = configuration.global().section;
    fmt::print("# Global parameters\n[global]\n");
    const auto print_scope = [&](conf::Scope scope) {
        for (size_t i = 0; i < conf::parameters().size(); i++) {
            const auto id = static_cast<conf::ParameterId>(i);
            if (conf::parameter(id).scope != scope) continue;
            const bool differs = section.is_set_by_name(id) && section.value(id) != section.inherited_value(id);
            if (verbose || differs) print_parameter(id, section.value(id));
        }
    };
    print_scope(conf::Scope::global);
    print_options(section);
    print_scope(conf::Scope::share);
}

// A share: what differs from [global].
void print_share(const conf::Configuration& configuration, const conf::Section& section) {
    const conf::Section& global = configuration.global().section;
    fmt::print("\n[{}]\n", section.name());
    for (size_t i = 0; i < conf::parameters().size(); i++) {
        const auto id = static_cast<conf::ParameterId>(i);
        if (conf::parameter(id).scope != conf::Scope::share) continue;
        if (section.value(id) != global.value(id)) print_parameter(id, section.value(id));
    }
    print_options(section);
}

bool is_global_name(const std::string& name) {
    return name.empty() || equal_ignoring_ascii_case(name, "global") || equal_ignoring_ascii_case(name, "globals");
}

int print_one_parameter(const conf::Configuration& configuration, const Options& options) {
    const bool global = is_global_name(options.section_name);
    const auto share = global ? nullptr : configuration.find_share(options.section_name);
    if (!global && !share) {
        fmt::print(stderr, "Unknown section {}\n", options.section_name);
        return 1;
    }
    const conf::Section& section = share ? share->section : configuration.global().section;
    const auto found = conf::find_parameter(options.parameter_name);
    std::optional<std::string> text;
    if (found && (global || conf::parameter(found->id).scope == conf::Scope::share)) text = section.text(options.parameter_name);
    if (!found && options.parameter_name.find(':') != std::string::npos) text = section.option(options.parameter_name);
    if (!text) {
        fmt::print(stderr, "Parameter {} unknown for section {}\n", options.parameter_name, share ? share->section.name() : "global");
        return 1;
    }
    fmt::print("{}\n", *text);
    return 0;
}

int print_one_section(const conf::Configuration& configuration, const Options& options) {
    if (is_global_name(options.section_name)) {
        print_global(configuration, options.verbose);
        return 0;
    }
    const auto share = configuration.find_share(options.section_name);
    if (!share) {
        fmt::print(stderr, "Unknown section {}\n", options.section_name);
        return 1;
    }
    print_share(configuration, share->section);
    return 0;
}

// ---- checks

void print_durability(const conf::Configuration& configuration) {
    for (const auto& share : configuration.shares()) {
        if (conf::has_durability(*share)) fmt::print(stderr, "{}\n", conf::describe_durability(*share));
    }
}

bool is_directory(const std::string& path) {
    struct stat st {};
    return ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

// What makes the configuration unfit to start a server with. Returns the number of errors.
int check_global(const conf::Configuration& configuration) {
    const conf::GlobalConf& global = configuration.global();
    int errors = 0;
    const auto error = [&](const std::string& text) {
        fmt::print(stderr, "ERROR: {}\n", text);
        errors++;
    };
    const auto is_set_by_file = [&](std::string_view name) { return global.section.is_set_by_name(conf::find_parameter(name)->id); };
    if (is_set_by_file("state directory") && !is_directory(global.state_directory))
        error("state directory " + global.state_directory + " does not exist");
    if (is_set_by_file("cache directory") && !is_directory(global.cache_directory))
        error("cache directory " + global.cache_directory + " does not exist");
    if (is_set_by_file("pid directory") && !is_directory(global.pid_directory))
        error("pid directory " + global.pid_directory + " does not exist");
    if (is_set_by_file("lock directory") && !is_directory(global.lock_directory)) {
        fmt::print(stderr, "WARNING: lock directory {} does not exist\n", global.lock_directory);
    }
    if (global.winbind_separator.size() != 1) error("winbind separator must be a single character");
    if (global.section.text("wins support") == "Yes" && !global.section.text("wins server")->empty()) {
        error("wins support and wins server exclude each other");
    }
    if (global.section.text("security") == "ADS" && global.realm.empty()) error("security = ADS needs a realm");
    if (global.section.text("unix password sync") == "Yes" && global.section.text("passwd program")->empty() &&
        global.section.text("pam password change") == "No") {
        error("unix password sync needs a passwd program");
    }
    return errors;
}

void print_role(const conf::Configuration& configuration) {
    const conf::Section& section = configuration.global().section;
    const std::string security = *section.text("security");
    const std::string role = *section.text("server role");
    std::string name = "ROLE_STANDALONE";
    if (role == "member server" || (role == "auto" && (security == "ADS" || security == "DOMAIN"))) name = "ROLE_DOMAIN_MEMBER";
    if (role == "classic primary domain controller" || (role == "auto" && section.text("domain logons") == "Yes")) name = "ROLE_DOMAIN_PDC";
    if (role == "classic backup domain controller") name = "ROLE_DOMAIN_BDC";
    if (role == "active directory domain controller") name = "ROLE_ACTIVE_DIRECTORY_DC";
    if (role == "IPA primary domain controller") name = "ROLE_IPA_DC";
    fmt::print(stderr, "\nServer role: {}\n\n", name);
}

// Which shares a host may use, by hosts allow and hosts deny of [global] and of the share.
void check_host(const conf::Configuration& configuration, const std::string& name, const std::string& address) {
    const conf::ClientHost host{address, [&] { return name; }};
    const conf::Section& global = configuration.global().section;
    const auto list = [&](std::string_view parameter) { return std::get<conf::Names>(global.value(conf::find_parameter(parameter)->id)); };
    const bool server = conf::host_allowed(list("hosts allow"), list("hosts deny"), host);
    for (const auto& share : configuration.shares()) {
        const bool allowed = server && conf::host_allowed(share->hosts_allow, share->hosts_deny, host);
        fmt::print(stderr, "{} connection from {} ({}) to {}\n", allowed ? "Allow" : "Deny", name, address, share->section.name());
    }
}

void dump(const conf::Configuration& configuration, const Options& options) {
    if (!options.suppress_prompt) {
        std::fputs("Press enter to see a dump of your service definitions\n", stderr);
        while (true) {
            const int c = std::fgetc(stdin);
            if (c == '\n' || c == EOF) break;
        }
    }
    print_global(configuration, options.verbose);
    for (const auto& share : configuration.shares()) {
        std::fputs("\n", stdout);
        print_share(configuration, share->section);
    }
}

int run(const Options& options) {
    if (options.arguments.size() == 2) {
        fmt::print("ERROR: You must specify both a machine name and an IP address.\n");
        return 1;
    }
    conf::LoadOptions load;
    load.file = options.arguments[0];
    load.overrides = options.overrides;
    // As in Debian's testparm, which runs at its own -d, the file's log level is not what is shown.
    load.overrides.emplace_back("log level", options.debug_level);
    load.follow_config_file = false;  // what is asked for is this file
    fmt::print(stderr, "Load smb config files from {}\n", load.file);
    const auto loaded = conf::load(load);
    if (!loaded) {
        fmt::print(stderr, "ERROR: {}\nError loading services.\n", loaded.error().message());
        return 1;
    }
    const conf::Configuration& configuration = **loaded;
    for (const Error& warning : configuration.warnings()) fmt::print(stderr, "WARNING: {}\n", warning.message());
    fmt::print(stderr, "Loaded services file OK.\n");

    if (!options.parameter_name.empty()) return print_one_parameter(configuration, options);
    if (!options.section_name.empty()) return print_one_section(configuration, options);
    const int errors = options.skip_checks ? 0 : check_global(configuration);
    print_role(configuration);
    print_durability(configuration);
    if (options.arguments.size() >= 3) {
        check_host(configuration, options.arguments[1], options.arguments[2]);
    } else {
        dump(configuration, options);
    }
    return errors == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) { return run(parse_arguments(argc, argv)); }
