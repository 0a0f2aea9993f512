// How IDL types are called in the generated C++.
#pragma once

#include <string>

#include "idl/compiler/ast.h"

namespace Atoll::idlc {

// The C++ type, seen from inside namespace Atoll::<space>.
std::string cpp_type(const Type& type, const std::string& space);
// The name of a declared type, with its namespace if that is not `space`.
std::string cpp_name(const std::string& name, const std::string& its_space, const std::string& space);
std::string unsigned_type(unsigned width);  // uint32_t
std::string accessor(unsigned width);       // u32: of NdrWriter and NdrReader
std::string enum_accessor(const Enumeration& made);
std::string literal(int64_t value, unsigned width, bool is_signed);
std::string limit_of(const Type& type);  // an expression
bool is_bytes(const Type& type);         // uint8_t: arrays of it are copied at once
uint16_t record_tag(const std::string& name);

}  // namespace Atoll::idlc
