// What a declarator makes of the type before it: its attributes (string, size_is, unique, range, ...) applied to pointers and arrays.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "idl/compiler/ast.h"
#include "idl/compiler/lexer.h"

namespace Atoll::idlc {

using Attributes = std::map<std::string, std::vector<Token>>;  // name -> the tokens between its parentheses

// One entry for each level of pointers and arrays, the outermost first; null where the list is empty: size_is(, *n).
struct Dimensions {
    std::vector<ExpressionPtr> size, max, length, last, first;
};

struct DeclaratorAttributes {
    const Attributes& all;
    Dimensions dimensions;
    ExpressionPtr switch_is;
    std::optional<std::pair<int64_t, int64_t>> range;
    unsigned subcontext = 0;  // bytes of its count
};

// Errors have an empty `where`: the parser knows the line.
Result<Type> apply_attributes(Type type, const DeclaratorAttributes& attributes);

// Of the members of a structure, or the parameters of a function: finds those that do nothing but count others, which the C++ struct
// then has not (Member::counts, Type::counter), and those that control others (Member::controls). Each name must be a member.
Result<void> resolve_counts(std::vector<Member>& members);

}  // namespace Atoll::idlc
