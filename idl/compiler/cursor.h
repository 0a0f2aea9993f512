// A parser's place in the tokens, and the first error. After an error every token is the end, so that parsing functions unwind by
// themselves and are asked once.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "idl/compiler/lexer.h"

namespace Atoll::idlc {

class Cursor {
 public:
    Cursor(std::vector<Token> tokens, std::string file) : tokens_(std::move(tokens)), file_(std::move(file)) {}

    [[nodiscard]] bool failed() const { return error_.has_value(); }
    [[nodiscard]] const Error& error() const { return *error_; }
    void fail_at(int line, std::string text) {
        if (!error_) error_ = Error{Code::invalid, fmt::format("{}:{}", file_, line), std::move(text)};
        at_ = tokens_.size() - 1;
    }
    void fail(std::string text) { fail_at(line(), std::move(text)); }
    void adopt(Error error) {  // an imported file's
        if (!error_) error_ = std::move(error);
        at_ = tokens_.size() - 1;
    }

    [[nodiscard]] const Token& peek(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
    [[nodiscard]] int line() const { return peek().line; }
    [[nodiscard]] bool at_end() const { return peek().kind == Token::Kind::end; }
    Token next() {
        Token token = peek();
        if (!at_end()) at_++;
        return token;
    }
    // A symbol or a keyword.
    [[nodiscard]] bool is(std::string_view text) const {
        return (peek().kind == Token::Kind::symbol || peek().kind == Token::Kind::name) && peek().text == text;
    }
    bool accept(std::string_view text) {
        if (!is(text)) return false;
        at_++;
        return true;
    }
    void expect(std::string_view text) {
        if (!accept(text)) fail(fmt::format("expected '{}' before '{}'", text, at_end() ? "the end of the file" : peek().text));
    }
    std::string name(std::string_view what) {
        if (peek().kind != Token::Kind::name) {
            fail(fmt::format("expected {} before '{}'", what, at_end() ? "the end of the file" : peek().text));
            return {};
        }
        return next().text;
    }

 private:
    std::vector<Token> tokens_;
    std::string file_;
    size_t at_ = 0;
    std::optional<Error> error_;
};

}  // namespace Atoll::idlc
