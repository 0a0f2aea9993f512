// Small files as a whole, and directories that are to be on the disk. Any thread.
#pragma once

#include <string>

#include "base/result.h"

namespace Atoll::inline base {

// All of a file, which may be a pipe. Code::not_found: there is none. Code::no_space: it has more than `most` bytes.
Result<std::string> read_file(const std::string& path, size_t most);

// The entry of `path` in its directory is on the disk: that it has been made, or renamed to there.
Result<void> sync_directory_of(const std::string& path);

}  // namespace Atoll::inline base
