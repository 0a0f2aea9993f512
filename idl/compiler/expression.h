// Expressions: of constants, and of size_is and its like, where they name members and parameters (C706 4.2.16, MS-RPCE 2.2.4.7).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "idl/compiler/cursor.h"

namespace Atoll::idlc {

struct Expression {
    enum class Kind { number, name, unary, binary, conditional };
    Kind kind = Kind::number;
    int64_t value = 0;
    std::string text;  // the name, or the operator
    std::vector<Expression> operands;
};

// What an expression may use while it is parsed: the value of a constant's name, the size of the type that a cursor stands on.
struct ExpressionNames {
    std::function<std::optional<int64_t>(const std::string&)> constant;
    std::function<int64_t(Cursor&)> size_of;
};

// C's, without assignment and calls. Errors go to the cursor.
Expression parse_expression(Cursor& in, const ExpressionNames& names);
// The same without comparisons and what binds weaker, but with |: for places where '>' ends the expression.
Expression parse_limit(Cursor& in, const ExpressionNames& names);

// Its value, unless it names what is not a constant or divides by zero.
std::optional<int64_t> value_of(const Expression& e);
std::set<std::string> names_of(const Expression& e);
// C++ of type uint64_t. `resolve` gives the C++ expression for a name.
std::string to_cpp(const Expression& e, const std::function<std::string(const std::string&)>& resolve);

}  // namespace Atoll::idlc
