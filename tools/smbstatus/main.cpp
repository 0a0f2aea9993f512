// smbstatus: what a running server's clients have connected and open (smbstatus(1)).
#include <fmt/core.h>
#include <getopt.h>
#include <pwd.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <optional>

#include "conf/configuration.h"
#include "conf/paths.h"
#include "ctdb/client/client.h"
#include "tools/smbstatus/names.h"
#include "tools/smbstatus/report.h"

namespace Atoll::smbstatus {
namespace {

constexpr unsigned patience_seconds = 20;  // for a lock of a database

struct Options {
    std::string config_file = conf::default_config_file;
    std::vector<std::pair<std::string, std::string>> overrides;
    bool processes = false, shares = false, locks = false, brief = false, byte_ranges = false, notifies = false;
    bool verbose = false, numeric = false, resolve_uids = false, json = false, fast = false;
    std::optional<std::string> user;
};

enum LongOption : int { opt_usage = 256, opt_option, opt_resolve_uids, opt_ignored, opt_not_built };

constexpr option long_options[] = {{"processes", no_argument, nullptr, 'p'},
                                   {"verbose", no_argument, nullptr, 'v'},
                                   {"locks", no_argument, nullptr, 'L'},
                                   {"shares", no_argument, nullptr, 'S'},
                                   {"notify", no_argument, nullptr, 'N'},
                                   {"user", required_argument, nullptr, 'u'},
                                   {"brief", no_argument, nullptr, 'b'},
                                   {"profile", no_argument, nullptr, 'P'},
                                   {"profile-rates", no_argument, nullptr, 'R'},
                                   {"byterange", no_argument, nullptr, 'B'},
                                   {"numeric", no_argument, nullptr, 'n'},
                                   {"json", no_argument, nullptr, 'j'},
                                   {"fast", no_argument, nullptr, 'f'},
                                   {"resolve-uids", no_argument, nullptr, opt_resolve_uids},
                                   {"debuglevel", required_argument, nullptr, 'd'},
                                   {"debug-stdout", no_argument, nullptr, opt_ignored},
                                   {"configfile", required_argument, nullptr, 's'},
                                   {"option", required_argument, nullptr, opt_option},
                                   {"log-basename", required_argument, nullptr, 'l'},
                                   {"version", no_argument, nullptr, 'V'},
                                   {"help", no_argument, nullptr, '?'},
                                   {"usage", no_argument, nullptr, opt_usage},
                                   {nullptr, 0, nullptr, 0}};

constexpr const char* usage =
    "Usage: smbstatus [OPTION...]\n"
    "  -p, --processes                    Show processes only\n"
    "  -v, --verbose                      Be verbose: the configuration file, and every channel of a session\n"
    "  -L, --locks                        Show locks only\n"
    "  -S, --shares                       Show shares only\n"
    "  -N, --notify                       Show notifies\n"
    "  -u, --user=STRING                  Show only what is this user's\n"
    "  -b, --brief                        Be brief\n"
    "  -B, --byterange                    Include byte range locks\n"
    "  -n, --numeric                      Numeric uid/gid\n"
    "  -j, --json                         JSON output\n"
    "  -f, --fast                         Skip checks if processes still exist\n"
    "      --resolve-uids                 Try to resolve UIDs to usernames\n"
    "  -s, --configfile=CONFIGFILE        Use alternative configuration file\n"
    "      --option=name=value            Set smb.conf option from command line\n"
    "  -d, --debuglevel=DEBUGLEVEL        Taken and not used\n"
    "      --debug-stdout                 Taken and not used\n"
    "  -l, --log-basename=LOGFILEBASE     Taken and not used\n"
    "  -?, --help                         Show this help message\n"
    "      --usage                        The same\n"
    "  -V, --version                      Print version\n";

bool take_override(std::string_view text, Options& options) {
    const size_t equals = text.find('=');
    if (equals == 0 || equals == text.npos) return false;
    options.overrides.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    return true;
}

// The exit status, where there is nothing more to do.
std::optional<int> take_option(int c, const char* word, Options& options) {
    switch (c) {
        case 'p': options.processes = true; break;
        case 'v': options.verbose = true; break;
        case 'L': options.locks = true; break;
        case 'S': options.shares = true; break;
        case 'N': options.notifies = true; break;
        case 'u': options.user = optarg; break;
        case 'b': options.brief = true; break;
        case 'B': options.byte_ranges = true; break;
        case 'n': options.numeric = true; break;
        case 'j': options.json = true; break;
        case 'f': options.fast = true; break;
        case opt_resolve_uids: options.resolve_uids = true; break;
        case 's': options.config_file = optarg; break;
        case 'd':
        case 'l':
        case opt_ignored: break;
        case opt_usage: fmt::print("{}", usage); return 0;
        case 'V': fmt::print("Version {}\n", conf::MacroValues::version_text()); return 0;
        case 'P':
        case 'R': fmt::print(stderr, "smbstatus: this server keeps no profile\n"); return 1;
        case opt_option:
            if (take_override(optarg, options)) break;
            fmt::print(stderr, "smbstatus: --option takes NAME=VALUE\n");
            return 1;
        default:
            // getopt says '?' of what it does not know, too.
            if (std::string_view(word) == "-?" || std::string_view(word) == "--help") {
                fmt::print("{}", usage);
                return 0;
            }
            fmt::print(stderr, "{}", usage);
            return 1;
    }
    return std::nullopt;
}

// Which of the parts are shown follows from -p, -S, -L and -b as with Debian's: the first of them wins, and -b is -p unless -S or -L is
// there.
Form form_of(const Options& options) {
    Form form;
    form.processes = options.processes || (!options.shares && !options.locks);
    form.shares = !options.processes && !options.brief && (options.shares || !options.locks);
    form.locks = !options.processes && !options.shares && (options.locks || !options.brief);
    form.byte_ranges = options.byte_ranges && form.locks;
    form.notifies = options.notifies && form.locks;
    form.channels = options.verbose && form.processes;
    form.numeric = options.numeric;
    form.resolve_uids = options.resolve_uids;
    return form;
}

void on_alarm(int) {
    constexpr std::string_view text = "smbstatus: a database is locked by a process that does not go on\n";
    (void)!::write(STDERR_FILENO, text.data(), text.size());
    ::_exit(1);
}

// What could not be read is said, and the exit status tells, but for databases that are not there: no client has ever connected.
int complain(const State& state, const Form& form, bool json) {
    int status = 0;
    for (const std::string& line : state.complaints) {
        const bool absent = line.ends_with(" not initialised");
        fmt::print(stderr, "{}\n{}", line, absent ? "This is normal if an SMB client has never connected to your server.\n" : "");
        if (!absent) status = 1;
    }
    if (state.undecoded > 0) {
        fmt::print(stderr, "smbstatus: {} records could not be read: the server is of another version\n", state.undecoded);
        status = 1;
    }
    if (!json && form.locks && state.has_locking && !state.any_open) fmt::print(stderr, "No locked files\n");
    return status;
}

Result<Source> source_of(const conf::GlobalConf& conf) {
    if (!conf.clustering) return this_node(conf.lock_directory);
    return cluster(conf.ctdbd_socket.empty() ? ctdb::default_socket : conf.ctdbd_socket);
}

int main_of(int argc, char** argv) {
    Options options;
    for (int c; (c = ::getopt_long(argc, argv, "pvLSNu:bPRBnjfd:s:l:V?", long_options, nullptr)) != -1;) {
        if (const auto status = take_option(c, argv[optind - 1], options)) return *status;
    }
    conf::LoadOptions load;
    load.file = options.config_file;
    load.overrides = options.overrides;
    const auto loaded = conf::load(load);
    if (!loaded) {
        fmt::print(stderr, "Can't load {} - run testparm to debug it\n", options.config_file);
        return 1;
    }
    const Form form = form_of(options);
    Wanted wanted;
    wanted.locks = form.locks;
    wanted.check_processes = !options.fast;
    if (options.user) {
        const passwd* entry = ::getpwnam(options.user->c_str());
        wanted.uid = entry != nullptr ? entry->pw_uid : UINT32_MAX;  // nobody's
    }
    ::signal(SIGALRM, on_alarm);
    ::alarm(patience_seconds);
    auto source = source_of((*loaded)->global());
    if (!source) {
        fmt::print(stderr, "smbstatus: {}\n", source.error().message());
        return 1;
    }
    const State state = read_state(*source, wanted);
    ::alarm(0);
    if (options.verbose && !options.json) fmt::print("using configfile = {}\n", options.config_file);
    fmt::print("{}", options.json ? print_json(state, form, options.config_file, NtTime::now()) : print_text(state, form));
    std::fflush(stdout);
    return complain(state, form, options.json);
}

}  // namespace
}  // namespace Atoll::smbstatus

int main(int argc, char** argv) { return Atoll::smbstatus::main_of(argc, argv); }
