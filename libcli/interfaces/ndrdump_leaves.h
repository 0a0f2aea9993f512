// A normal form in which Debian's ndrdump and our printer can be compared: the values of a stub in the order of the wire, without the
// names, which are different in both. Numbers are decimal, text is in quotes, a null pointer is NULL. For tests.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace Atoll::interfaces {

using Leaves = std::vector<std::string>;

// Of what ndrdump(1) prints of one side of a call. An entry "? ..." is a line that is not understood.
Leaves leaves_of_ndrdump(std::string_view text);
// Of what print_json() gives for the same.
Leaves leaves_of_json(const nlohmann::ordered_json& value);

}  // namespace Atoll::interfaces
