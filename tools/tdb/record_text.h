// How tdbtool and tdbdump write bytes, as Debian's do.
#pragma once

#include <string>
#include <string_view>

#include "base/buffer.h"

namespace Atoll::tools {

// tdbdump's: printable characters as they are, the rest and " and \ as \XX.
std::string escaped(Bytes bytes);
// The other way, as tdbtool reads keys and values: \X and \XX are bytes, a \ before anything else is left out.
std::string unescaped(std::string_view text);
// "616263" as bytes; false if it is not pairs of hexadecimal digits.
bool from_hex(std::string_view text, std::string& out);

// tdbtool's: a dot for what cannot be printed, and nothing for a NUL at the end.
std::string printable(Bytes bytes);
// "[000] 61 62 ...  ab", sixteen bytes a line.
std::string hex_lines(Bytes bytes);

}  // namespace Atoll::tools
