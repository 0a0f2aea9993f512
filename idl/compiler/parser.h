// Parses an .idl file and what it imports.
#pragma once

#include <string>

#include "base/result.h"
#include "idl/compiler/ast.h"

namespace Atoll::idlc {

// `path` is from `root`, as in imports. Error: invalid, where is path:line; io for a file that cannot be read.
Result<File> parse_file(const std::string& root, const std::string& path);

// The same for a source in memory, whose imports are read from `root`.
Result<File> parse_source(const std::string& root, const std::string& path, const std::string& source);

}  // namespace Atoll::idlc
