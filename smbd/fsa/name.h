// Path names as clients send them (MS-FSCC 2.1.5), taken apart (MS-FSA 2.1.5.1, phases 1, 5 and 7).
#pragma once

#include <string>
#include <string_view>

#include "base/nt_status.h"
#include "base/result.h"

namespace Atoll::fsa {

struct ParsedName {
    std::string path;  // for vfs: '/' between components; "" the root
    bool trailing_backslash = false;
    std::string stream;             // "name:stream", "name:stream:$DATA"
    bool data_stream = false;       // "name::$DATA", or a named stream: data, never a directory
    bool index_allocation = false;  // "name::$INDEX_ALLOCATION", "name:$I30:$INDEX_ALLOCATION": a directory
};

// INVALID_PARAMETER for a leading backslash; OBJECT_PATH_SYNTAX_BAD for a ".." that leads out of the share; OBJECT_NAME_INVALID for what is
// no name.
Result<void, NtStatus> parse_name(std::string_view wire, ParsedName& out);

// Whether a name in a directory can be said to a client at all: valid UTF-8, none of the characters that MS-FSCC 2.1.5.2 forbids.
bool is_wire_name(std::string_view component);

// MS-FSCC 2.1.5.3. "" is one: the unnamed stream.
bool is_stream_name(std::string_view name);

}  // namespace Atoll::fsa
