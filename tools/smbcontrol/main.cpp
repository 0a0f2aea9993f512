// smbcontrol: tells and asks the processes of a running smbd (smbcontrol(1)).
#include <fmt/core.h>
#include <getopt.h>
#include <sys/stat.h>

#include <charconv>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "conf/configuration.h"
#include "conf/paths.h"
#include "tools/smbcontrol/commands.h"
#include "tools/smbcontrol/destination.h"

namespace Atoll::smbcontrol {
namespace {

struct Options {
    std::string config_file = conf::default_config_file;
    std::vector<std::pair<std::string, std::string>> overrides;
    std::chrono::seconds patience{10};
    std::vector<std::string> arguments;
};

enum LongOption : int { opt_usage = 256, opt_option, opt_ignored };

constexpr option long_options[] = {{"timeout", required_argument, nullptr, 't'},
                                   {"configfile", required_argument, nullptr, 's'},
                                   {"option", required_argument, nullptr, opt_option},
                                   {"debuglevel", required_argument, nullptr, 'd'},
                                   {"debug-stdout", no_argument, nullptr, opt_ignored},
                                   {"log-basename", required_argument, nullptr, 'l'},
                                   {"version", no_argument, nullptr, 'V'},
                                   {"usage", no_argument, nullptr, opt_usage},
                                   {"help", no_argument, nullptr, '?'},
                                   {nullptr, 0, nullptr, 0}};

void print_usage(std::FILE* out) {
    fmt::print(out,
               "Usage: smbcontrol [OPTION...] <destination> <message-type> <parameters>\n"
               "  -t, --timeout=TIMEOUT              Set timeout value in seconds\n"
               "  -s, --configfile=CONFIGFILE        Use alternative configuration file\n"
               "      --option=name=value            Set smb.conf option from command line\n"
               "  -d, --debuglevel=DEBUGLEVEL        Taken and not used\n"
               "      --debug-stdout                 Taken and not used\n"
               "  -l, --log-basename=LOGFILEBASE     Taken and not used\n"
               "  -?, --help                         Show this help message\n"
               "      --usage                        The same\n"
               "  -V, --version                      Print version\n\n"
               "<destination> is \"all\", \"smbd\" or a process ID\n\n"
               "<message-type> is one of:\n");
    for (const Command& command : commands()) fmt::print(out, "\t{:<30}{}\n", command.name, command.help);
    fmt::print(out, "\n");
}

bool take_patience(std::string_view text, Options& options) {
    unsigned seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    options.patience = std::chrono::seconds(seconds);
    return error == std::errc{} && end == text.data() + text.size() && seconds > 0;
}

bool take_override(std::string_view text, Options& options) {
    const size_t equals = text.find('=');
    if (equals == 0 || equals == text.npos) return false;
    options.overrides.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    return true;
}

// The exit status, where there is nothing more to do.
std::optional<int> take_arguments(int argc, char** argv, Options& options) {
    for (int c; (c = ::getopt_long(argc, argv, "t:s:d:l:V?", long_options, nullptr)) != -1;) {
        bool good = true;
        switch (c) {
            case 't': good = take_patience(optarg, options); break;
            case 's': options.config_file = optarg; break;
            case opt_option: good = take_override(optarg, options); break;
            case 'd':
            case 'l':
            case opt_ignored: break;
            case 'V': fmt::print("Version {}\n", conf::MacroValues::version_text()); return 0;
            case opt_usage: print_usage(stdout); return 0;
            default:
                // getopt says '?' of what it does not know, too.
                if (optopt == '?' || optopt == 0) {
                    const bool asked = std::string_view(argv[optind - 1]) == "-?" || std::string_view(argv[optind - 1]) == "--help";
                    if (asked) {
                        print_usage(stdout);
                        return 0;
                    }
                }
                good = false;
        }
        if (!good) {
            fmt::print(stderr, "Invalid option\n");
            print_usage(stderr);
            return 1;
        }
    }
    options.arguments.assign(argv + optind, argv + argc);
    if (options.arguments.size() >= 2) return std::nullopt;
    print_usage(stderr);
    return 1;
}

int report(const Error& error) {
    fmt::print(stderr, "{}{}{}\n", error.where, error.where.empty() ? "" : ": ", error.text);
    return 1;
}

// Where no server has ever run there is no directory of mailboxes, and none is to be made.
bool has_mailboxes(const conf::GlobalConf& conf) {
    struct stat st;
    return ::stat((conf.lock_directory + "/msg.sock").c_str(), &st) == 0;
}

int no_server(const std::string& destination) {
    if (destination == "all") {
        fmt::print("No replies received\n");
    } else {
        fmt::print(stderr, "Can't find pid for destination '{}'\n", destination);
    }
    return 1;
}

int main_of(int argc, char** argv) {
    Options options;
    if (const auto status = take_arguments(argc, argv, options)) return *status;
    conf::LoadOptions load;
    load.file = options.config_file;
    load.overrides = options.overrides;
    const auto loaded = conf::load(load);
    if (!loaded) {
        fmt::print(stderr, "Can't load {} - run testparm to debug it\n", options.config_file);
        return 1;
    }
    const conf::GlobalConf& conf = (*loaded)->global();
    const std::string& destination = options.arguments[0];
    const Command* command = find_command(options.arguments[1]);
    if (command == nullptr) {
        fmt::print(stderr, "smbcontrol: unknown command '{}'\n", options.arguments[1]);
        return 1;
    }
    if (!has_mailboxes(conf)) return no_server(destination);
    auto mailbox = messaging::MessageSocket::open(conf.lock_directory, messaging::ProcessClass::tool);
    if (!mailbox) return report(mailbox.error());
    auto to = find_destination(destination, conf, *mailbox);
    if (!to) return report(to.error());
    if (to->empty() && destination != "all") {
        fmt::print(stderr, "smbcontrol: no process of the server has the pid {}\n", destination);
        return 1;
    }
    Call call{*mailbox, std::move(*to), {options.arguments.begin() + 2, options.arguments.end()}, options.patience};
    const auto done = run_command(*command, call);
    fmt::print("{}", call.out);
    if (!done) return report(done.error());
    return *done ? 0 : 1;
}

}  // namespace
}  // namespace Atoll::smbcontrol

int main(int argc, char** argv) { return Atoll::smbcontrol::main_of(argc, argv); }
