// What smbcontrol can tell and ask (smbcontrol(1), "MESSAGE-TYPES"). Messages for the user and exit codes are those of Debian's program,
// which scripts read.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tdb/messaging/message_socket.h"

namespace Atoll::smbcontrol {

// Of one run.
struct Call {
    messaging::MessageSocket& mailbox;
    std::vector<messaging::ServerId> to;
    std::vector<std::string> parameters;  // as many as the command takes
    std::chrono::milliseconds patience = std::chrono::seconds(10);
    std::string out = {};  // for standard output
};

struct Command {
    std::string_view name;
    std::string_view help;
    std::string_view parameters;  // behind "Usage: smbcontrol <dest> NAME"
    size_t count = 0;             // of parameters
    // False: exit status 1, and nothing more to say than what is in `out`. An error: a line for standard error.
    Result<bool> (*run)(Call& call);
};

std::span<const Command> commands();
const Command* find_command(std::string_view name);  // null: there is none

// The command on its destination. Code::invalid: a wrong number of parameters; the text is the usage.
Result<bool> run_command(const Command& command, Call& call);

}  // namespace Atoll::smbcontrol
