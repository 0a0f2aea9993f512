#include "conf/config_lines.h"

#include "base/limits.h"

namespace Atoll::conf {

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f'; }

std::string_view without_trailing_blanks(std::string_view text) {
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

std::string_view without_leading_blanks(std::string_view text) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    return text;
}

std::string collapsed(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        if (is_blank(c) && !out.empty() && is_blank(out.back())) continue;
        out += c;
    }
    return out;
}

class Reader {
 public:
    Reader(std::string_view text, const std::string& file) : rest_(text), file_(file) {
        if (rest_.substr(0, 3) == "\xEF\xBB\xBF") rest_.remove_prefix(3);  // a byte order mark that an editor left
    }

    Result<std::vector<ConfigLine>> run() {
        std::vector<ConfigLine> out;
        while (!rest_.empty()) {
            const size_t number = number_ + 1;
            std::string line(without_leading_blanks(without_trailing_blanks(take_line())));
            if (line.empty() || line[0] == '#' || line[0] == ';') continue;
            while (!line.empty() && line.back() == '\\') {
                line.pop_back();
                if (rest_.empty()) break;
                line += without_trailing_blanks(take_line());
                if (line.size() > limits::max_config_line) return fail(Code::no_space, where(number), "line is too long");
            }
            if (line.size() > limits::max_config_line) return fail(Code::no_space, where(number), "line is too long");
            Result<ConfigLine> parsed = classify(without_leading_blanks(collapsed(line)), number);
            if (!parsed) return parsed.failure();
            if (parsed->what != ConfigLine::What::junk || !parsed->name.empty()) out.push_back(*std::move(parsed));
        }
        return out;
    }

 private:
    std::string_view take_line() {
        const size_t end = rest_.find('\n');
        const std::string_view line = rest_.substr(0, end);
        rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
        number_++;
        return line;
    }

    [[nodiscard]] std::string where(size_t number) const { return file_ + ":" + std::to_string(number); }

    Result<ConfigLine> classify(std::string_view line, size_t number) const {
        if (line.find('\0') != std::string_view::npos) return fail(Code::invalid, where(number), "a NUL byte in the line");
        if (!line.empty() && line[0] == '[') {
            const size_t end = line.find(']');
            if (end == std::string_view::npos) return fail(Code::invalid, where(number), "']' is missing after the section's name");
            const std::string_view name = line.substr(1, end - 1);
            if (without_leading_blanks(name).empty()) return fail(Code::invalid, where(number), "the section has no name");
            return ConfigLine{ConfigLine::What::section, number, std::string(name), ""};
        }
        const size_t equals = line.find('=');
        if (equals == std::string_view::npos)
            return ConfigLine{ConfigLine::What::junk, number, std::string(without_trailing_blanks(line)), ""};
        const std::string_view name = without_trailing_blanks(line.substr(0, equals));
        if (name.empty()) return fail(Code::invalid, where(number), "the parameter's name is missing before '='");
        const std::string_view value = without_trailing_blanks(without_leading_blanks(line.substr(equals + 1)));
        return ConfigLine{ConfigLine::What::parameter, number, std::string(name), std::string(value)};
    }

    std::string_view rest_;
    const std::string& file_;
    size_t number_ = 0;
};

}  // namespace

Result<std::vector<ConfigLine>> read_config_lines(std::string_view text, const std::string& file) {
    if (text.size() > limits::max_config_file) return fail(Code::no_space, file, "file is too large");
    return Reader(text, file).run();
}

}  // namespace Atoll::conf
