// The parser's state: of parser.cpp (files, constants, functions) and parse_types.cpp (types) alone.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "idl/compiler/ast.h"
#include "idl/compiler/cursor.h"
#include "idl/compiler/declarator.h"

namespace Atoll::idlc {

class Parser {
 public:
    Parser(std::string root, std::string path, std::vector<Token> tokens, std::set<std::string> importing);
    Result<File> run();
    static Result<File> parse_path(const std::string& root, const std::string& path, const std::set<std::string>& importing);

 private:
    // parser.cpp
    void read_header();
    void import();
    void import_file(const std::string& path);
    void interface();
    void interface_attributes(const Attributes& attributes);
    void declaration();
    void cpp_quote();
    void directive();
    void constant();
    void add_constant(const std::string& name, const Type& type, int64_t value);
    void function(const Attributes& attributes);
    void parameters(Function& made);
    Member parameter();
    void check_parameter(const Member& made);

    // Attributes and expressions.
    Attributes parse_attributes();
    Cursor cursor_over(const std::vector<Token>& tokens) const;
    [[nodiscard]] ExpressionNames names();
    int64_t size_of_type(Cursor& in);
    int64_t constant_of(const Expression& e, int line);
    int64_t constant_expression();
    int64_t constant_limit();
    uint32_t attribute_number(const Attributes& attributes, const std::string& name, uint32_t otherwise);
    std::vector<ExpressionPtr> attribute_list(const Attributes& attributes, const std::string& name);
    DeclaratorAttributes declarator_attributes(const Attributes& attributes);
    void refuse_unknown(const Attributes& attributes, const std::set<std::string>& known, const std::string& on);

    // parse_types.cpp
    void type_definition();
    void define_type(const std::string& name, const Type& type);
    std::string name_after_braces();
    Type pointer_to(const Type& pointee) const;
    Type base_type(const Attributes& attributes, const std::string& name);
    Type generic_type(const std::string& word);
    Type qualified_type(const std::string& space);
    Type signed_type(bool is_signed);
    Type declared_type(const Attributes& attributes, const std::string& name);
    Type enumeration(const Attributes& attributes, const std::string& name);
    Type structure(const Attributes& attributes, const std::string& name);
    void members(std::vector<Member>& out, const std::string& outer);
    void apply(const Attributes& attributes, Member& member);
    Type declarator(Type base, const Attributes& attributes, std::string& name);
    Type array_suffix(const Type& element);
    void infer_switch_types(Structure& made);
    Type union_of(const Attributes& attributes, const std::string& name);
    Type encapsulated_union(const Attributes& attributes, const std::string& name);
    Type finish_union(std::shared_ptr<Union> made);
    Type switch_type(const std::vector<Token>& tokens);
    void arm(Union& made);
    Arm case_labels(Attributes& attributes);

    std::string root_;
    std::string path_;
    Cursor in_;
    std::set<std::string> importing_;
    File file_;
    Pointer pointer_default_ = Pointer::unique;
    bool ms_union_ = false;
    size_t pack_ = 0;  // #pragma pack: 0 is none
};

}  // namespace Atoll::idlc
