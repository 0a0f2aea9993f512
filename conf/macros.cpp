#include "conf/macros.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/limits.h"

namespace Atoll::conf {

namespace {

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

// What a client chose: it may land in a path ("log.%m") or on a command line ("root preexec = notify %U").
std::string harmless(std::string value) {
    constexpr std::string_view special = "/\\`\"';|&<>(){}[]*?!%$";
    const bool machine_account = value.size() > 1 && value.back() == '$';
    for (char& c : value) {
        if (is_control(c) || special.find(c) != std::string_view::npos) c = '_';
    }
    if (machine_account) value.back() = '$';
    if (!value.empty() && value.find_first_not_of('.') == std::string::npos) std::fill(value.begin(), value.end(), '_');
    return value;
}

std::string without_slash(std::string value) {
    for (char& c : value) {
        if (is_control(c) || c == '/') c = '_';
    }
    if (value == "." || value == "..") std::fill(value.begin(), value.end(), '_');
    return value;
}

std::string as_file_name(std::string address) {
    for (char& c : address) {
        if (c == '.' || c == ':') c = '_';
    }
    return address;
}

std::string formatted_time(const MacroValues& values, const char* format) {
    const time_t now = values.now.value_or(::time(nullptr));
    tm local{};
    ::localtime_r(&now, &local);
    char text[64];
    return {text, std::strftime(text, sizeof text, format, &local)};
}

using Text = std::optional<std::string>;

template <class F>
Text mapped(const Text& value, F f) {
    return value ? Text(f(*value)) : std::nullopt;
}

Text server_macro(char letter, const MacroValues& v) {
    switch (letter) {
        case 'h': return v.host_name;
        case 'm': return mapped(v.client_name, harmless);
        case 'L':
        case 'N': return mapped(v.server_name, harmless);
        case 'M': return mapped(v.client_host_name, harmless);
        case 'R': return v.protocol;
        case 'a': return v.client_architecture;
        case 'I': return v.client_address;
        case 'J': return mapped(v.client_address, as_file_name);
        case 'i': return v.local_address;
        case 'j': return mapped(v.local_address, as_file_name);
        case 'D': return mapped(v.domain, harmless);
        case 'w': return v.winbind_separator;
        case 'v': return v.version;
        case 'd': return std::to_string(v.process_id.value_or(static_cast<uint32_t>(::getpid())));
        case 'V': return std::to_string(v.vnn.value_or(-1));
        case 'T': return formatted_time(v, "%Y/%m/%d %H:%M:%S");
        case 't': return formatted_time(v, "%Y%m%d_%H%M%S");
        default: return std::nullopt;
    }
}

Text session_macro(char letter, const MacroValues& v) {
    switch (letter) {
        case 'U': return mapped(v.session_user, harmless);
        case 'G': return v.session_group;
        case 'S': return mapped(v.service, without_slash);
        case 'P': return v.service_root;
        case 'u': return mapped(v.service_user, without_slash);
        case 'g': return v.service_group;
        case 'H': return v.home_directory;
        case 'p': return v.previous_directory;
        default: return std::nullopt;
    }
}

std::string environment_value(std::string_view name, const MacroValues& v) {
    if (v.environment) return v.environment(name).value_or("");
    const char* value = ::getenv(std::string(name).c_str());
    return value != nullptr ? value : "";
}

// The macro at the start of `rest`, which begins with '%': its value and its length, or nullopt if it is none or has no value here.
std::optional<std::pair<std::string, size_t>> macro_at(std::string_view rest, const MacroValues& values) {
    if (rest.size() < 2) return std::nullopt;
    if (rest.substr(1, 2) == "$(") {
        const size_t end = rest.find(')', 3);
        if (end == std::string_view::npos) return std::nullopt;
        return std::pair(environment_value(rest.substr(3, end - 3), values), end + 1);
    }
    Text value = server_macro(rest[1], values);
    if (!value) value = session_macro(rest[1], values);
    if (!value) return std::nullopt;
    return std::pair(std::move(*value), size_t{2});
}

}  // namespace

std::string MacroValues::version_text() { return "0.1.0"; }

bool has_macros(std::string_view text) { return text.find('%') != std::string_view::npos; }

std::string expand_macros(std::string_view text, const MacroValues& values) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty() && out.size() < limits::max_expanded_value) {
        const size_t percent = text.find('%');
        out += text.substr(0, percent);
        if (percent == std::string_view::npos) break;
        text.remove_prefix(percent);
        if (const auto macro = macro_at(text, values)) {
            out += macro->first;
            text.remove_prefix(macro->second);
        } else {
            // "%%" passes as a pair, so that its second half is not the start of a macro.
            const size_t length = text.substr(0, 2) == "%%" ? 2 : 1;
            out += text.substr(0, length);
            text.remove_prefix(length);
        }
    }
    if (out.size() > limits::max_expanded_value) out.resize(limits::max_expanded_value);
    return out;
}

}  // namespace Atoll::conf
