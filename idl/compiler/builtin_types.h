// The type names that need no declaration: IDL's own, those of MS-DTYP 2.2, and ours.
#pragma once

#include <map>
#include <string>

#include "idl/compiler/ast.h"

namespace Atoll::idlc {

// Single names; `unsigned`, `signed` and the types that take <...> are the parser's.
const std::map<std::string, Type>& builtin_types();

}  // namespace Atoll::idlc
