#include "smbd/server/options.h"

#include <CLI/CLI.hpp>
#include <charconv>

#include "conf/macros.h"
#include "conf/paths.h"

namespace Atoll::server {

namespace {

struct Raw {
    bool daemon = false;
    bool foreground = false;
    bool interactive = false;
    bool no_process_group = false;
    bool debug_stdout = false;
    std::vector<std::string> ports;
    std::vector<std::string> options;
    int debug_level = 0;
};

// "445 139" or "445,139", as `smb ports` has it.
bool take_ports(const std::vector<std::string>& texts, std::vector<uint16_t>& ports) {
    for (const std::string& text : texts) {
        for (size_t begin = text.find_first_not_of(" ,"); begin != text.npos; begin = text.find_first_not_of(" ,", begin)) {
            const size_t end = std::min(text.find_first_of(" ,", begin), text.size());
            uint16_t port = 0;
            const auto [stop, error] = std::from_chars(text.data() + begin, text.data() + end, port);
            if (error != std::errc{} || stop != text.data() + end || port == 0) return false;
            ports.push_back(port);
            begin = end;
        }
    }
    return true;
}

bool take_overrides(const std::vector<std::string>& texts, std::vector<std::pair<std::string, std::string>>& overrides) {
    for (const std::string& text : texts) {
        const size_t equals = text.find('=');
        if (equals == text.npos) return false;
        overrides.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
    return true;
}

}  // namespace

ParsedOptions parse_options(int argc, char** argv) {
    ParsedOptions parsed;
    Options& options = parsed.options;
    options.config_file = conf::default_config_file;
    Raw raw;
    CLI::App app("Atoll's SMB server", "smbd");
    app.add_flag("-D,--daemon", raw.daemon, "Become a daemon (default)");
    app.add_flag("-F,--foreground", raw.foreground, "Stay in the foreground");
    app.add_flag("-i,--interactive", raw.interactive, "Stay in the foreground and log to standard error");
    app.add_flag("--no-process-group", raw.no_process_group, "Do not make a new process group");
    app.add_flag("--debug-stdout,-S", raw.debug_stdout, "Log to standard error");
    app.add_option("-s,--configfile", options.config_file, "Use another configuration file");
    app.add_option("-l,--log-basename", options.log_directory, "Directory for log files");
    CLI::Option* level = app.add_option("-d,--debuglevel", raw.debug_level, "Log level, 0 to 10")->check(CLI::Range(0, 10));
    app.add_option("-p,--port", raw.ports, "Listen on these ports");
    app.add_option("--upgrade-from", options.predecessor)->group("");  // not for people
    app.add_option("--option", raw.options, "Set a parameter of smb.conf: name=value");
    app.set_version_flag("-V,--version", "Version " + conf::MacroValues::version_text());
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        parsed.exit_status = app.exit(error);
        return parsed;
    }
    if (raw.foreground) options.mode = Options::Mode::foreground;
    if (raw.interactive) options.mode = Options::Mode::interactive;
    if (level->count() > 0) options.debug_level = raw.debug_level;
    options.process_group = !raw.no_process_group && options.mode != Options::Mode::interactive;
    options.log_to_stderr = raw.debug_stdout || options.mode == Options::Mode::interactive;
    if (!take_ports(raw.ports, options.ports)) {
        std::cerr << "smbd: --port: not a port number\n";
        parsed.exit_status = 1;
    } else if (!take_overrides(raw.options, options.overrides)) {
        std::cerr << "smbd: --option: not name=value\n";
        parsed.exit_status = 1;
    }
    return parsed;
}

std::vector<std::string> successor_arguments(const Options& options) {
    std::vector<std::string> out = {"--foreground", "--no-process-group", "--configfile", options.config_file};
    if (options.log_to_stderr) out.emplace_back("--debug-stdout");
    if (!options.log_directory.empty()) out.insert(out.end(), {"--log-basename", options.log_directory});
    if (options.debug_level) out.insert(out.end(), {"--debuglevel", std::to_string(*options.debug_level)});
    for (const uint16_t port : options.ports) out.insert(out.end(), {"--port", std::to_string(port)});
    for (const auto& [name, value] : options.overrides) out.insert(out.end(), {"--option", name + "=" + value});
    return out;
}

}  // namespace Atoll::server
