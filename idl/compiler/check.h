// What a declaration must fulfil, and what follows from it: sizes, alignment, levels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>

#include "base/result.h"
#include "idl/compiler/ast.h"

namespace Atoll::idlc {

// Errors have an empty `where`: the parser knows the line.
Result<void> check(const Enumeration& enumeration);
Result<void> check(const Structure& structure);
Result<void> check(const Union& made);
Result<void> check(const Function& made);

size_t alignment(const Type& type, bool ndr64 = false);  // natural, in bytes
size_t arms_alignment(const Union& made, bool ndr64);    // the largest of its arms
size_t minimum_size(const Type& type);  // bytes that any value takes on the wire, padding not counted; of NDR, which is the smaller
bool has_pointers(const Type& type);    // something of it follows the outermost structure
bool is_conformant(const Type& type);   // a structure that ends in a conformant array
std::set<uint32_t> levels(const Structure& structure);  // at which its layout changes, its inner structures' included; the first always

}  // namespace Atoll::idlc
