#include "smbd/accounts/username_map.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "base/utf.h"

namespace Atoll::accounts {
namespace {

constexpr std::string_view blanks = " \t\r";

std::string_view trimmed(std::string_view text) {
    const size_t first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

// Names with blanks or commas between them; a quoted one may hold either.
std::vector<std::string> split_names(std::string_view text) {
    std::vector<std::string> names;
    std::string name;
    bool quoted = false, any = false;
    for (const char c : text) {
        if (c == '"') {
            quoted = !quoted;
            any = true;
        } else if (!quoted && (blanks.find(c) != std::string_view::npos || c == ',')) {
            if (any) names.push_back(std::exchange(name, {}));
            any = false;
        } else {
            name += c;
            any = true;
        }
    }
    if (any) names.push_back(name);
    return names;
}

}  // namespace

Result<UsernameMap> UsernameMap::load(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) return fail_errno(errno, path, "username map");
    const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    return parse(text, path);
}

Result<UsernameMap> UsernameMap::parse(std::string_view text, std::string_view where) {
    UsernameMap map;
    for (size_t number = 1; !text.empty(); number++) {
        const size_t end = text.find('\n');
        std::string_view line = trimmed(text.substr(0, end));
        text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
        if (line.empty() || line[0] == '#' || line[0] == ';') continue;
        Line parsed;
        if (line[0] == '!') {
            parsed.last = true;
            line = trimmed(line.substr(1));
        }
        const size_t equals = line.find('=');
        if (equals == std::string_view::npos || trimmed(line.substr(0, equals)).empty()) {
            return fail(Code::invalid, std::string(where) + ":" + std::to_string(number), "not of the form 'unix name = names'");
        }
        parsed.unix_name = trimmed(line.substr(0, equals));
        parsed.names = split_names(line.substr(equals + 1));
        map.lines_.push_back(std::move(parsed));
    }
    return map;
}

std::string UsernameMap::map(std::string_view name, const std::function<bool(std::string_view, std::string_view)>& in_group) const {
    std::string current(name);
    for (const Line& line : lines_) {
        const bool matches = std::any_of(line.names.begin(), line.names.end(), [&](const std::string& item) {
            if (item == "*") return true;
            if (item.size() > 1 && (item[0] == '@' || item[0] == '+'))
                return in_group && in_group(current, std::string_view(item).substr(1));
            return equal_ignoring_case(item, current);
        });
        if (!matches) continue;
        current = line.unix_name;
        if (line.last) break;
    }
    return current;
}

}  // namespace Atoll::accounts
