// The small files that a daemon keeps: its PID, its incarnation.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace Atoll::ctdb {

// As a whole or not at all, and durable when it returns.
Result<void> replace_file(const std::string& path, std::string_view content);

// A number higher than at every earlier start, noted in `path`.
Result<uint64_t> next_incarnation(const std::string& path);

// Makes the PID file and locks it as long as the descriptor lives. Code::busy: a daemon has it.
Result<UniqueFd> claim_pid_file(const std::string& path);

// Makes a directory and those above it that are not there.
Result<void> make_directories(const std::string& path);

}  // namespace Atoll::ctdb
