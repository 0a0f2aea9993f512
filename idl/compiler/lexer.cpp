#include "idl/compiler/lexer.h"

#include <cctype>
#include <cstdlib>

namespace Atoll::idlc {

namespace {

bool is_name_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

class Lexer {
 public:
    Lexer(std::string_view source, const std::string& file) : source_(source), file_(file) {}

    Result<std::vector<Token>> run() {
        for (;;) {
            if (auto r = skip_blanks(); !r) return r.failure();
            if (at_ >= source_.size()) break;
            if (auto r = token(); !r) return r.failure();
        }
        push(Token::Kind::end, "");
        return std::move(tokens_);
    }

 private:
    Failure<Error> bad(const std::string& text) { return fail(Code::invalid, file_ + ":" + std::to_string(line_), text); }
    [[nodiscard]] char peek(size_t ahead = 0) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }
    void push(Token::Kind kind, std::string text, uint64_t value = 0) { tokens_.push_back({kind, std::move(text), value, line_}); }

    void step() {
        if (source_[at_] == '\n') line_++;
        at_++;
    }

    Result<void> skip_blanks() {
        while (at_ < source_.size()) {
            if (std::isspace(static_cast<unsigned char>(peek())) != 0) {
                step();
            } else if (peek() == '/' && peek(1) == '/') {
                while (at_ < source_.size() && peek() != '\n') step();
            } else if (peek() == '/' && peek(1) == '*') {
                const size_t end = source_.find("*/", at_ + 2);
                if (end == std::string_view::npos) return bad("a comment does not end");
                while (at_ < end + 2) step();
            } else {
                break;
            }
        }
        return {};
    }

    Result<void> token() {
        const char c = peek();
        if (c == '"') return quoted();
        if (is_name_char(c)) {
            const size_t start = at_;
            while (is_name_char(peek())) at_++;
            std::string text(source_.substr(start, at_ - start));
            if (std::isdigit(static_cast<unsigned char>(c)) == 0)
                push(Token::Kind::name, std::move(text));
            else
                number(std::move(text));
            return {};
        }
        for (const char* two : {"<<", "<=", ">=", "==", "!=", "&&", "||"}) {
            if (source_.substr(at_, 2) != two) continue;
            push(Token::Kind::symbol, two);
            at_ += 2;
            return {};
        }
        if (std::string_view("[](){}<>,;:=*-+|./%?!~&^#").find(c) == std::string_view::npos)
            return bad(std::string("unexpected character '") + c + "'");
        push(Token::Kind::symbol, std::string(1, c));
        at_++;
        return {};
    }

    Result<void> quoted() {
        const size_t end = source_.find_first_of("\"\n", at_ + 1);
        if (end == std::string_view::npos || source_[end] == '\n') return bad("a string does not end on its line");
        push(Token::Kind::text, std::string(source_.substr(at_ + 1, end - at_ - 1)));
        at_ = end + 1;
        return {};
    }

    // Decimal or 0x, with C's suffixes.
    void number(std::string text) {
        char* end = nullptr;
        const bool hex = text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
        const uint64_t value = std::strtoull(text.c_str(), &end, hex ? 16 : 10);
        while (*end == 'u' || *end == 'U' || *end == 'l' || *end == 'L') end++;
        push(*end == '\0' ? Token::Kind::number : Token::Kind::word, std::move(text), value);
    }

    std::string_view source_;
    const std::string& file_;
    size_t at_ = 0;
    int line_ = 1;
    std::vector<Token> tokens_;
};

}  // namespace

Result<std::vector<Token>> tokenize(std::string_view source, const std::string& file) { return Lexer(source, file).run(); }

}  // namespace Atoll::idlc
