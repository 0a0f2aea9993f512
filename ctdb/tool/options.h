// The command line of ctdb(1).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "ctdb/tool/output.h"

namespace Atoll::ctdb {

struct ToolOptions {
    std::optional<uint32_t> node;
    unsigned time_limit = 10;    // seconds for an answer
    unsigned max_runtime = 120;  // seconds for all
    Format format;
    bool verbose = false;
    bool help = false;
    bool usage = false;
    std::vector<std::string> words;  // the command and its arguments
};

// An error's text is what the tool prints.
Result<ToolOptions> parse_options(const std::vector<std::string>& arguments);

const char* usage_text();  // short, as before a command's own line
const char* help_text();

}  // namespace Atoll::ctdb
