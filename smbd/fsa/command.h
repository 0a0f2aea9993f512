// Programs that smb.conf names and that answer in a line: `dfree command`, `get quota command`, `set quota command`.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace Atoll::fsa {

// Runs `/bin/sh -c 'COMMAND "$@"'` with these arguments in the directory, as the user that the calling thread acts as, really and
// effectively; gives what it printed, at most limits::max_command_output bytes. Waits for its end, at most limits::command_time; then
// it and its children are killed: ETIMEDOUT. EIO: it did not end with 0. Inherits standard error and no other descriptor.
Result<std::string, int> run_command(const std::string& command, std::span<const std::string> arguments, int directory);

// The whole numbers of its first line, up to the first word that is none.
std::vector<int64_t> numbers_of_line(std::string_view output);

}  // namespace Atoll::fsa
