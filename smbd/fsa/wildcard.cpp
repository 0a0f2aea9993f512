#include "smbd/fsa/wildcard.h"

#include <array>
#include <bitset>

#include "base/limits.h"
#include "base/utf.h"

namespace Atoll::fsa {

namespace {

// The next code point of valid UTF-8; what is not valid stands for itself, byte by byte.
char32_t next_code_point(std::string_view text, size_t& at) {
    const auto lead = static_cast<unsigned char>(text[at++]);
    const size_t more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    if (more == 0 || at + more > text.size()) return lead;
    char32_t c = lead & (0x3Fu >> more);
    for (size_t i = 0; i < more; i++) c = c << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3Fu);
    at += more;
    return c;
}

// The positions of the expression that matching may have reached, all at once: no backtracking, whatever the client sends.
class Matcher {
 public:
    bool set_expression(std::string_view text, bool ignore_case) {
        for (size_t at = 0; at < text.size();) {
            if (size_ == expression_.size()) return false;
            const char32_t c = next_code_point(text, at);
            expression_[size_++] = ignore_case ? to_upper(c) : c;
        }
        return true;
    }

    bool match(std::string_view name, bool ignore_case) {
        const size_t last_dot = name.rfind('.');
        states_.reset();
        states_[0] = true;
        for (size_t at = 0; at < name.size();) {
            const bool final_dot = at == last_dot;
            char32_t c = next_code_point(name, at);
            step(ignore_case ? to_upper(c) : c, final_dot);
            if (states_.none()) return false;
        }
        advance_at_end();
        return states_[size_];
    }

 private:
    using States = std::bitset<limits::max_expression_units + 1>;

    void step(char32_t c, bool final_dot) {
        States reached;
        for (size_t i = 0; i < size_; i++) {
            if (!states_[i]) continue;
            switch (expression_[i]) {
                case U'*':
                    states_[i + 1] = true;  // zero characters
                    reached[i] = true;
                    break;
                case U'<':  // DOS_STAR: up to the final dot and that dot
                    states_[i + 1] = true;
                    reached[final_dot ? i + 1 : i] = true;
                    break;
                case U'>':  // DOS_QM: any character; at a dot, nothing
                    if (c == U'.')
                        states_[i + 1] = true;
                    else
                        reached[i + 1] = true;
                    break;
                case U'?': reached[i + 1] = true; break;
                case U'"':  // DOS_DOT
                    if (c == U'.') reached[i + 1] = true;
                    break;
                default:
                    if (expression_[i] == c) reached[i + 1] = true;
            }
        }
        states_ = reached;
    }

    void advance_at_end() {
        for (size_t i = 0; i < size_; i++) {
            const char32_t c = expression_[i];
            if (states_[i] && (c == U'*' || c == U'<' || c == U'>' || c == U'"')) states_[i + 1] = true;
        }
    }

    std::array<char32_t, limits::max_expression_units> expression_;
    size_t size_ = 0;
    States states_;
};

}  // namespace

bool has_wildcards(std::string_view expression) { return expression.find_first_of("*?<>\"") != std::string_view::npos; }

// MS-FSA 2.1.4.4
bool name_in_expression(std::string_view name, std::string_view expression, bool ignore_case) {
    if (name.empty() || expression.empty()) return name.empty() && expression.empty();
    if (expression == "*" || expression == "*.*") return true;
    if (!has_wildcards(expression)) return ignore_case ? equal_ignoring_case(name, expression) : name == expression;
    Matcher matcher;
    return matcher.set_expression(expression, ignore_case) && matcher.match(name, ignore_case);
}

}  // namespace Atoll::fsa
