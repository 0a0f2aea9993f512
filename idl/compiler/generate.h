// Writes C++ for a parsed file.
#pragma once

#include <string>

#include "idl/compiler/ast.h"
#include "idl/compiler/codec.h"
#include "idl/compiler/text.h"

namespace Atoll::idlc {

std::string generate_header(const File& file);  // x.idl.h
std::string generate_source(const File& file);  // x.idl.cpp

// Parts of them, one declaration at a time.
void declare_function(Text& out, const Function& made, const File& file);
void declare_interface(Text& out, const File& file);
void generate_function(Text& out, const Function& made, const std::string& space);
void generate_interface(Text& out, const File& file);
void generate_codec(Text& out, const Structure& structure, const std::string& space);
void generate_codec(Text& out, const Union& made, const std::string& space);
void generate_printing(Text& out, const Enumeration& enumeration);
void generate_printing(Text& out, const Structure& structure);
void generate_printing(Text& out, const Union& made);
void generate_arbitrary(Text& out, const Structure& structure, const std::string& space);
void generate_arbitrary(Text& out, const Union& made, const std::string& space);
void print_value(Text& out, const Type& type, const std::string& e, bool hex);
// `count`: of the elements of an array, where it is known.
void fill_value(Text& out, const Type& type, const std::string& e, const std::string& space, const std::string& count,
                const Codec::Resolve& resolve);
// The members that are `wanted`, those that control others first.
void fill_members(Text& out, const std::vector<Member>& members, const std::string& space, const Codec::Resolve& resolve,
                  const std::function<bool(const Member&)>& wanted);
// A member that counts others: its value is their size.
void put_count(Text& out, const Member& member, const Codec::Resolve& resolve);
void get_count(Text& out, const Member& member);  // into count_of_<member>
std::string initializer(const Member& member, const std::string& space);

}  // namespace Atoll::idlc
