// Writes C++ for a parsed file.
#pragma once

#include <string>

#include "idl/compiler/ast.h"
#include "idl/compiler/text.h"

namespace Atoll::idlc {

std::string generate_header(const File& file);  // x.idl.h
std::string generate_source(const File& file);  // x.idl.cpp

// Parts of the source, one declaration at a time.
void generate_codec(Text& out, const Structure& structure, const std::string& space);
void generate_codec(Text& out, const Union& made, const std::string& space);
void generate_printing(Text& out, const Enumeration& enumeration);
void generate_printing(Text& out, const Structure& structure);
void generate_printing(Text& out, const Union& made);
void generate_arbitrary(Text& out, const Structure& structure, const std::string& space);
void generate_arbitrary(Text& out, const Union& made, const std::string& space);

}  // namespace Atoll::idlc
