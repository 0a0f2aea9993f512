// smbd's command line, as administrators know it from smbd(8).
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace Atoll::server {

struct Options {
    enum class Mode : uint8_t { daemon, foreground, interactive /* foreground, and logs to standard error */ };
    Mode mode = Mode::daemon;
    std::string config_file;                                     // empty: the default
    std::string log_directory;                                   // -l: holds log.smbd unless smb.conf has a `log file`
    std::optional<int> debug_level;                              // -d: wins over smb.conf
    std::vector<uint16_t> ports;                                 // -p: instead of `smb ports`
    std::vector<std::pair<std::string, std::string>> overrides;  // --option=name=value
    bool process_group = true;
    bool log_to_stderr = false;
    int predecessor = -1;  // --upgrade-from: the socket to the listener that this one takes over from (upgrade.h)
};

// Prints what -V, --help or a mistake asks for, and gives the exit status then.
struct ParsedOptions {
    Options options;
    std::optional<int> exit_status;
};
ParsedOptions parse_options(int argc, char** argv);

// The arguments with which a successor of this server is started, without the program's name and --upgrade-from.
std::vector<std::string> successor_arguments(const Options& options);

}  // namespace Atoll::server
