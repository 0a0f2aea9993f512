// File name expressions: MS-FSA 2.1.4.3 and 2.1.4.4, MS-FSCC 2.1.4.
#pragma once

#include <string_view>

namespace Atoll::fsa {

// Whether `name` is in `expression`, both UTF-8, ignoring case unless told otherwise. '*', '?', DOS_STAR ('<'), DOS_QM ('>') and DOS_DOT
// ('"'). Time at most the product of the two lengths.
bool name_in_expression(std::string_view name, std::string_view expression, bool ignore_case);
bool has_wildcards(std::string_view expression);

}  // namespace Atoll::fsa
