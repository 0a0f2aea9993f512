#include "smbd/services/names.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/utf.h"
#include "smbd/services/net_error.h"

namespace Atoll::services {
namespace {

constexpr std::string_view default_invalid = "\"/\\[]:|<>+=;,?";  // MS-SRVS 2.2.2.8, with what is below 0x20
constexpr uint32_t first_name_type = 1;
constexpr uint32_t lm2_compatible = 0x80000000;     // flags of 3.1.4.33 and 3.1.4.34
constexpr uint32_t room_for_any = 0x00000001;       // of 3.1.4.33
constexpr uint32_t already_canonical = 0x00000001;  // of 3.1.4.31 and 3.1.4.34

constexpr size_t max_path = 260;  // MS-SRVS 3.1.4.29
constexpr size_t max_old_path = 128;

// A row of the tables of MS-SRVS 2.2.2.8 and 3.1.4.33. Where they say 260 the NUL is among them.
struct NameRules {
    size_t least;
    size_t most;
    std::string_view also_invalid;
    bool any_character;
    size_t lm2_most;
    bool lm2_upper;
    size_t canonical_most;
    bool upper;
};
constexpr std::array<NameRules, 13> name_rules = {{
    {1, 256, "", false, 20, true, 256, false},   // user
    {0, 256, "", true, 14, false, 256, false},   // password
    {1, 256, "", false, 20, true, 256, false},   // group
    {1, 259, "*", false, 15, true, 259, false},  // computer
    {1, 16, "", false, 16, true, 16, true},      // event
    {1, 15, "* ", false, 15, true, 15, false},   // domain
    {1, 80, "", false, 15, true, 80, false},     // service
    {1, 259, "", false, 259, true, 259, true},   // net
    {1, 80, "*", false, 12, true, 80, false},    // share: "*" is in no share's name
    {1, 15, "", false, 259, true, 259, true},    // message
    {1, 259, "", false, 259, true, 259, true},   // message destination
    {0, 8, "", true, 8, false, 8, false},        // share password
    {1, 15, "", false, 15, true, 15, false},     // workgroup
}};
constexpr uint32_t computer = 4, message_destination = 11;
constexpr uint32_t password = 2, message = 10, share_password = 12;

const NameRules* rules_of(uint32_t type) {
    return type < first_name_type || type >= first_name_type + name_rules.size() ? nullptr : &name_rules[type - first_name_type];
}

// In UTF-16 units; every string here came from UTF-16.
size_t units(std::string_view text) { return utf16le_size(text).value_or(0) / 2; }

// The longest front of at most `most` units.
std::string_view cut(std::string_view text, size_t most) {
    while (units(text) > most) {
        do text.remove_suffix(1);
        while (!is_valid_utf8(text));
    }
    return text;
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20; }

bool has_invalid_characters(std::string_view name, const NameRules& rules) {
    if (rules.any_character) return false;
    return std::any_of(name.begin(), name.end(), [&](char c) {
        return is_control(c) || default_invalid.find(c) != std::string_view::npos || rules.also_invalid.find(c) != std::string_view::npos;
    });
}

bool is_valid_name(std::string_view name, uint32_t type, const NameRules& rules) {
    const size_t length = units(name);
    if (length < rules.least || length > rules.most || has_invalid_characters(name, rules)) return false;
    if (type == computer && (name.front() == ' ' || name.back() == ' ')) return false;
    if (type == message_destination) {
        const size_t star = name.find('*');
        if (star != std::string_view::npos && star + 1 != name.size()) return false;
        if (length == rules.most && star == std::string_view::npos) return false;
    }
    return true;
}

int32_t compare(std::string_view one, std::string_view other, bool ignore_case) {
    const std::string a = ignore_case ? to_upper_utf8(one) : std::string(one);
    const std::string b = ignore_case ? to_upper_utf8(other) : std::string(other);
    return a == b ? 0 : a < b ? -1 : 1;
}

// --- Paths

namespace path_types {  // MS-SRVS 2.2.2.9
constexpr uint32_t unc_computer = 4144, unc_wildcard = 4145, unc = 4096, unc_wildcard_path = 4097;
constexpr uint32_t absolute = 8194, absolute_wildcard = 8195, dot = 8198, dot_wildcard = 8199;
constexpr uint32_t relative = 8192, relative_wildcard = 8193;
constexpr uint32_t disk = 16384, lpt = 16400, com = 16416;
}  // namespace path_types

bool has_wildcard(std::string_view text) { return text.find_first_of("*?") != std::string_view::npos; }
bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

// "LPT3", "lpt3:"
bool is_port(std::string_view text, std::string_view kind) {
    if (text.size() <= kind.size() || !equal_ignoring_ascii_case(text.substr(0, kind.size()), kind)) return false;
    text.remove_prefix(kind.size());
    if (text.back() == ':') text.remove_suffix(1);
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<uint32_t> port_type(std::string_view text) {
    if (is_port(text, "LPT")) return path_types::lpt;
    if (is_port(text, "COM")) return path_types::com;
    return std::nullopt;
}

// Behind two backslashes.
std::optional<uint32_t> unc_type(std::string_view rest) {
    if (rest == "." || rest.starts_with(".\\")) {
        if (rest == ".") return std::nullopt;
        return has_wildcard(rest) ? path_types::dot_wildcard : path_types::dot;
    }
    if (rest == "*") return path_types::unc_wildcard;
    const size_t end = rest.find('\\');
    const std::string_view name = rest.substr(0, end);
    if (name.empty() || has_wildcard(name)) return std::nullopt;
    if (end == std::string_view::npos) return path_types::unc_computer;
    const std::string_view path = rest.substr(end + 1);
    if (path.empty()) return std::nullopt;
    return has_wildcard(path) ? path_types::unc_wildcard_path : path_types::unc;
}

std::optional<uint32_t> type_of(std::string_view path) {
    if (path.find_first_of("<>\"|") != std::string_view::npos) return std::nullopt;
    if (path.starts_with("\\\\")) return unc_type(path.substr(2));
    if (path.starts_with('\\')) {
        if (equal_ignoring_ascii_case(path.substr(0, 5), "\\DEV\\")) return port_type(path.substr(5));
        return has_wildcard(path) ? path_types::absolute_wildcard : path_types::absolute;
    }
    if (path.size() >= 2 && is_letter(path[0]) && path[1] == ':') {
        if (path.size() == 2) return path_types::disk;
        return has_wildcard(path.substr(2)) ? path_types::dot_wildcard : path_types::dot;
    }
    if (const auto port = port_type(path)) return port;
    return has_wildcard(path) ? path_types::relative_wildcard : path_types::relative;
}

// 8.3 in every component (flags bit 0 of 3.1.4.29).
bool fits_old_rules(std::string_view path) {
    if (units(path) > max_old_path) return false;
    while (!path.empty()) {
        const size_t end = std::min(path.find_first_of("\\/"), path.size());
        const std::string_view component = path.substr(0, end);
        const size_t dot = component.find('.');
        const std::string_view extension = dot == std::string_view::npos ? "" : component.substr(dot + 1);
        if (component != "." && component != ".." &&
            (units(component.substr(0, dot)) > 8 || units(extension) > 3 || extension.find('.') != std::string_view::npos))
            return false;
        path.remove_prefix(std::min(end + 1, path.size()));
    }
    return true;
}

// What of a path "." and ".." cannot take away: "C:\", "\\server\share", "\".
size_t root_length(std::string_view path) {
    if (path.starts_with("\\\\")) {
        size_t end = path.find('\\', 2);
        if (end != std::string_view::npos) end = path.find('\\', end + 1);
        return std::min(end, path.size());
    }
    if (path.size() >= 2 && is_letter(path[0]) && path[1] == ':') return path.size() > 2 && path[2] == '\\' ? 3 : 2;
    return path.starts_with('\\') ? 1 : 0;
}

// Backslashes, no empty components, no "." and "..". Nullopt: ".." above the root.
std::optional<std::string> simplified(std::string path) {
    std::replace(path.begin(), path.end(), '/', '\\');
    std::string out = path.substr(0, root_length(path));
    std::string_view rest = std::string_view(path).substr(out.size());
    std::vector<std::string_view> components;
    while (!rest.empty()) {
        const size_t end = std::min(rest.find('\\'), rest.size());
        const std::string_view component = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (component.empty() || component == ".") continue;
        if (component != "..") {
            components.push_back(component);
        } else if (components.empty()) {
            return std::nullopt;
        } else {
            components.pop_back();
        }
    }
    const bool needs_separator = !out.empty() && out.back() != '\\' && out.back() != ':';
    for (size_t i = 0; i < components.size(); i++) {
        if (i > 0 || needs_separator) out += '\\';
        out += components[i];
    }
    return out;
}

}  // namespace

uint32_t validate_name(std::string_view name, uint32_t name_type, uint32_t flags) {
    const NameRules* rules = rules_of(name_type);
    if (!rules || flags != 0) return net_error::invalid_parameter;
    return is_valid_name(name, name_type, *rules) ? net_error::success : net_error::invalid_name;
}

uint32_t canonicalize_name(std::string_view name, uint32_t name_type, uint32_t flags, uint32_t room, std::string& out) {
    const NameRules* rules = rules_of(name_type);
    if (!rules || (flags & ~(lm2_compatible | room_for_any)) != 0) return net_error::invalid_parameter;
    if (!is_valid_name(name, name_type, *rules)) return net_error::invalid_name;
    const bool lm2 = (flags & lm2_compatible) != 0;
    const size_t most = lm2 ? rules->lm2_most : rules->canonical_most;
    if ((flags & room_for_any) != 0 && room < most) return net_error::buffer_too_small;
    const bool upper = lm2 ? rules->lm2_upper : rules->upper;
    out = upper ? to_upper_utf8(cut(name, most)) : std::string(cut(name, most));
    return units(out) + 1 > room ? net_error::buffer_too_small : net_error::success;
}

int32_t compare_names(std::string_view one, std::string_view other, uint32_t name_type, uint32_t flags) {
    const auto error = [](uint32_t code) { return static_cast<int32_t>(code); };
    if (!rules_of(name_type) || (flags & ~(lm2_compatible | already_canonical)) != 0) return error(net_error::invalid_parameter);
    std::string first(one), second(other);
    if ((flags & already_canonical) == 0) {
        const uint32_t lm2 = flags & lm2_compatible;
        if (canonicalize_name(one, name_type, lm2, UINT32_MAX, first) != net_error::success ||
            canonicalize_name(other, name_type, lm2, UINT32_MAX, second) != net_error::success)
            return error(net_error::invalid_parameter);
    }
    const bool exact = (flags & lm2_compatible) != 0 &&
                       (name_type == password || name_type == share_password || name_type == message || name_type == message_destination);
    return compare(first, second, !exact);
}

uint32_t path_type(std::string_view path, uint32_t flags, uint32_t& type) {
    if (flags > 1) return net_error::invalid_parameter;
    if (path.empty() || units(path) > max_path) return net_error::invalid_name;
    if (flags == 1 && !fits_old_rules(path)) return net_error::invalid_name;
    const auto found = type_of(path);
    if (!found) return net_error::invalid_name;
    type = *found;
    return net_error::success;
}

uint32_t canonicalize_path(std::string_view path, std::string_view prefix, uint32_t flags, uint32_t room, uint32_t& type,
                           std::string& out) {
    if (flags != 0) return net_error::invalid_parameter;
    uint32_t ignored = 0;
    if (path_type(path, 0, ignored) != net_error::success) return net_error::invalid_name;
    if (!prefix.empty() && path_type(prefix, 0, ignored) != net_error::success) return net_error::invalid_name;
    std::string whole(prefix);
    if (!whole.empty() && whole.back() != '\\' && whole.back() != '/' && path.front() != '\\' && path.front() != '/') whole += '\\';
    whole += path;
    const auto canonical = simplified(whole);
    if (!canonical || path_type(*canonical, 0, ignored) != net_error::success) return net_error::invalid_name;
    if ((units(*canonical) + 1) * 2 > room) return net_error::buffer_too_small;
    type = ignored;
    out = *canonical;
    return net_error::success;
}

int32_t compare_paths(std::string_view one, std::string_view other, uint32_t type, uint32_t flags) {
    const auto error = [](uint32_t code) { return static_cast<int32_t>(code); };
    if (flags > 1) return error(net_error::invalid_parameter);
    if (flags == already_canonical) return compare(one, other, true);
    std::string first, second;
    uint32_t first_type = type, second_type = type;
    if (canonicalize_path(one, "", 0, UINT32_MAX, first_type, first) != net_error::success ||
        canonicalize_path(other, "", 0, UINT32_MAX, second_type, second) != net_error::success)
        return error(net_error::invalid_name);
    return first_type != second_type ? 1 : compare(first, second, true);
}

}  // namespace Atoll::services
