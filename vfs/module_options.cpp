#include "vfs/module_options.h"

#include <charconv>

#include "base/utf.h"

namespace Atoll::vfs {

std::string option_text(const Options& options, std::string_view name, std::string_view otherwise) {
    std::string value = options.parametric ? options.parametric(name) : std::string();
    return value.empty() ? std::string(otherwise) : value;
}

std::string expanded_text(const Options& options, std::string_view name, std::string_view otherwise) {
    const std::string text = option_text(options, name, otherwise);
    return options.expand ? options.expand(text) : text;
}

bool option_flag(const Options& options, std::string_view name, bool otherwise) {
    const std::string value = option_text(options, name, "");
    for (const std::string_view word : {"yes", "true", "1", "on"}) {
        if (equal_ignoring_ascii_case(value, word)) return true;
    }
    for (const std::string_view word : {"no", "false", "0", "off"}) {
        if (equal_ignoring_ascii_case(value, word)) return false;
    }
    return otherwise;
}

uint64_t option_number(const Options& options, std::string_view name, uint64_t otherwise, int base) {
    const std::string value = option_text(options, name, "");
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number, base);
    return error == std::errc() && end == value.data() + value.size() ? number : otherwise;
}

std::vector<std::string> option_list(const Options& options, std::string_view name) {
    constexpr std::string_view separators = " \t,";
    const std::string value = option_text(options, name, "");
    std::vector<std::string> words;
    for (size_t at = value.find_first_not_of(separators); at != std::string::npos;) {
        const size_t end = std::min(value.find_first_of(separators, at), value.size());
        words.push_back(value.substr(at, end - at));
        at = value.find_first_not_of(separators, end);
    }
    return words;
}

}  // namespace Atoll::vfs
