#include "idl/compiler/expression.h"

#include <array>

namespace Atoll::idlc {

namespace {

// Weakest first; what starts with the same characters, longest first.
const std::array<std::vector<std::string>, 10> binary_operators = {
    {{"||"}, {"&&"}, {"|"}, {"^"}, {"&"}, {"==", "!="}, {"<=", ">=", "<", ">"}, {"<<", ">>"}, {"+", "-"}, {"*", "/", "%"}}};
constexpr size_t shift_level = 7;

class ExpressionParser {
 public:
    ExpressionParser(Cursor& in, const ExpressionNames& names) : in_(in), names_(names) {}

    Expression conditional() {
        Expression condition = binary(0);
        if (!in_.accept("?")) return condition;
        Expression yes = conditional();
        in_.expect(":");
        Expression no = conditional();
        return {Expression::Kind::conditional, 0, "?", {std::move(condition), std::move(yes), std::move(no)}};
    }
    // | over shifts.
    Expression limit() {
        Expression left = binary(shift_level);
        while (in_.accept("|")) {
            Expression right = binary(shift_level);
            left = fold({Expression::Kind::binary, 0, "|", {std::move(left), std::move(right)}});
        }
        return left;
    }

 private:
    // The lexer keeps '>' '>' apart, for sequence<sequence<T>>.
    std::string operator_at(size_t level) {
        for (const std::string& op : binary_operators[level]) {
            if (op == ">>" && in_.is(">") && in_.peek(1).text == ">" && level != shift_level_in_limit_) {
                in_.next();
                in_.next();
                return op;
            }
            if (op != ">>" && in_.accept(op)) return op;
        }
        return "";
    }
    Expression binary(size_t level) {
        if (level == binary_operators.size()) return unary();
        Expression left = binary(level + 1);
        for (std::string op = operator_at(level); !op.empty(); op = operator_at(level)) {
            Expression right = binary(level + 1);
            if ((op == "/" || op == "%") && value_of(right).value_or(0) == 0) in_.fail("a divisor is a constant other than 0");
            left = fold({Expression::Kind::binary, 0, op, {std::move(left), std::move(right)}});
        }
        return left;
    }
    Expression unary() {
        for (const char* op : {"-", "+", "~", "!", "*"}) {
            if (in_.accept(op)) return fold({Expression::Kind::unary, 0, op, {unary()}});
        }
        if (in_.accept("(")) {
            Expression inner = conditional();
            in_.expect(")");
            return inner;
        }
        return primary();
    }
    Expression primary() {
        const Token token = in_.next();
        if (token.kind == Token::Kind::number) return {Expression::Kind::number, static_cast<int64_t>(token.value), "", {}};
        if (token.kind != Token::Kind::name) {
            in_.fail_at(token.line, "expected a number, a constant or a name before '" + token.text + "'");
            return {};
        }
        if (token.text == "TRUE" || token.text == "FALSE") return {Expression::Kind::number, token.text == "TRUE", "", {}};
        if (token.text == "sizeof") {
            in_.expect("(");
            const int64_t size = names_.size_of(in_);
            in_.expect(")");
            return {Expression::Kind::number, size, "", {}};
        }
        if (const auto value = names_.constant(token.text)) return {Expression::Kind::number, *value, "", {}};
        return {Expression::Kind::name, 0, token.text, {}};
    }
    static Expression fold(Expression e) {
        if (e.text == "*" && e.kind == Expression::Kind::unary) return e;
        if (const auto value = value_of(e)) return {Expression::Kind::number, *value, "", {}};
        return e;
    }

    Cursor& in_;
    const ExpressionNames& names_;
    size_t shift_level_in_limit_ = SIZE_MAX;

 public:
    // In a limit '>' ends the expression, so that there is no >>.
    void without_right_shift() { shift_level_in_limit_ = shift_level; }
};

std::optional<int64_t> binary_value(const std::string& op, int64_t left, int64_t right) {
    const auto a = static_cast<uint64_t>(left);
    const auto b = static_cast<uint64_t>(right);
    if ((op == "/" || op == "%") && right == 0) return std::nullopt;
    if (op == "+") return static_cast<int64_t>(a + b);
    if (op == "-") return static_cast<int64_t>(a - b);
    if (op == "*") return static_cast<int64_t>(a * b);
    if (op == "/") return static_cast<int64_t>(a / b);
    if (op == "%") return static_cast<int64_t>(a % b);
    if (op == "<<") return static_cast<int64_t>(a << (b & 63));
    if (op == ">>") return static_cast<int64_t>(a >> (b & 63));
    if (op == "&") return left & right;
    if (op == "|") return left | right;
    if (op == "^") return left ^ right;
    if (op == "==") return left == right;
    if (op == "!=") return left != right;
    if (op == "<") return left < right;
    if (op == ">") return left > right;
    if (op == "<=") return left <= right;
    if (op == ">=") return left >= right;
    if (op == "&&") return left != 0 && right != 0;
    return left != 0 || right != 0;
}

// In a condition a pointer's name asks whether it is there.
std::string condition_to_cpp(const Expression& e, const std::function<std::string(const std::string&)>& resolve) {
    if (e.kind == Expression::Kind::name) return "idl::truth(" + resolve(e.text) + ")";
    return to_cpp(e, resolve) + " != 0";
}

std::string binary_to_cpp(const Expression& e, const std::function<std::string(const std::string&)>& resolve) {
    static const std::set<std::string> logical = {"&&", "||"};
    static const std::set<std::string> comparing = {"==", "!=", "<", ">", "<=", ">="};
    const bool asks = logical.count(e.text) != 0;
    const std::string left = asks ? condition_to_cpp(e.operands[0], resolve) : to_cpp(e.operands[0], resolve);
    const std::string right = asks ? condition_to_cpp(e.operands[1], resolve) : to_cpp(e.operands[1], resolve);
    const std::string text = "(" + left + " " + e.text + " " + right + ")";
    return asks || comparing.count(e.text) != 0 ? "uint64_t{" + text + "}" : text;
}

}  // namespace

Expression parse_expression(Cursor& in, const ExpressionNames& names) { return ExpressionParser(in, names).conditional(); }

Expression parse_limit(Cursor& in, const ExpressionNames& names) {
    ExpressionParser parser(in, names);
    parser.without_right_shift();
    return parser.limit();
}

std::optional<int64_t> value_of(const Expression& e) {
    if (e.kind == Expression::Kind::number) return e.value;
    if (e.kind == Expression::Kind::name) return std::nullopt;
    std::vector<int64_t> values;
    for (const Expression& operand : e.operands) {
        const auto value = value_of(operand);
        if (!value) return std::nullopt;
        values.push_back(*value);
    }
    if (e.kind == Expression::Kind::conditional) return values[0] != 0 ? values[1] : values[2];
    if (e.kind == Expression::Kind::binary) return binary_value(e.text, values[0], values[1]);
    if (e.text == "-") return static_cast<int64_t>(0 - static_cast<uint64_t>(values[0]));
    if (e.text == "~") return ~values[0];
    if (e.text == "!") return values[0] == 0;
    return values[0];
}

std::set<std::string> names_of(const Expression& e) {
    std::set<std::string> names;
    if (e.kind == Expression::Kind::name) names.insert(e.text);
    for (const Expression& operand : e.operands) names.merge(names_of(operand));
    return names;
}

std::string to_cpp(const Expression& e, const std::function<std::string(const std::string&)>& resolve) {
    switch (e.kind) {
        case Expression::Kind::number: return fmt::format("uint64_t{{{:#x}}}", static_cast<uint64_t>(e.value));
        case Expression::Kind::name: return "idl::number(" + resolve(e.text) + ")";
        case Expression::Kind::binary: return binary_to_cpp(e, resolve);
        case Expression::Kind::conditional:
            return "(" + condition_to_cpp(e.operands[0], resolve) + " ? " + to_cpp(e.operands[1], resolve) + " : " +
                   to_cpp(e.operands[2], resolve) + ")";
        case Expression::Kind::unary: break;
    }
    if (e.text == "*" || e.text == "+") return to_cpp(e.operands[0], resolve);  // number() looks behind pointers
    if (e.text == "-") return "(uint64_t{0} - " + to_cpp(e.operands[0], resolve) + ")";
    if (e.text == "!") return "uint64_t{!(" + condition_to_cpp(e.operands[0], resolve) + ")}";
    return "(~" + to_cpp(e.operands[0], resolve) + ")";
}

}  // namespace Atoll::idlc
