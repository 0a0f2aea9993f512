#include "smbd/fsa/name.h"

#include "base/limits.h"
#include "base/utf.h"

namespace Atoll::fsa {

namespace {

constexpr std::string_view forbidden = "\"\\/:|<>*?";  // MS-FSCC 2.1.5.2

bool has_forbidden(std::string_view component) {
    for (const char c : component) {
        if (static_cast<unsigned char>(c) < 0x20 || forbidden.find(c) != std::string_view::npos) return true;
    }
    return false;
}

// The name without ":stream:type". MS-FSA 2.1.5.1, phases 5 to 7.
Result<std::string_view, NtStatus> split_stream(std::string_view component, bool last, ParsedName& out) {
    const size_t colon = component.find(':');
    if (colon == std::string_view::npos) return component;
    if (component.back() == ':') return NtStatus::OBJECT_NAME_INVALID;
    const std::string_view suffix = component.substr(colon);
    const size_t second = suffix.find(':', 1);
    const std::string_view stream = suffix.substr(1, second == std::string_view::npos ? second : second - 1);
    const std::string_view type = second == std::string_view::npos ? std::string_view() : suffix.substr(second + 1);
    const bool index = equal_ignoring_case(type, "$INDEX_ALLOCATION") && (stream.empty() || equal_ignoring_case(stream, "$I30"));
    const bool data = (type.empty() && !stream.empty()) || equal_ignoring_case(type, "$DATA");
    if ((!index && !(data && last)) || !is_stream_name(stream)) return NtStatus::OBJECT_NAME_INVALID;
    if (last) {
        out.index_allocation = index;
        out.data_stream = data;
        if (data) out.stream = stream;
    }
    return component.substr(0, colon);
}

}  // namespace

bool is_stream_name(std::string_view name) {
    constexpr size_t max_units = 255;
    if (name.find_first_of(std::string_view("\\/:\0", 4)) != std::string_view::npos) return false;
    const auto bytes = utf16le_size(name);
    return bytes && *bytes / 2 <= max_units;
}

bool is_wire_name(std::string_view component) { return !has_forbidden(component) && is_valid_utf8(component); }

Result<void, NtStatus> parse_name(std::string_view wire, ParsedName& out) {
    out.path.clear();
    out.stream.clear();
    out.trailing_backslash = out.data_stream = out.index_allocation = false;
    if (wire.starts_with('\\')) return NtStatus::INVALID_PARAMETER;  // MS-SMB2 2.2.13, Buffer
    while (wire.ends_with('\\')) {
        out.trailing_backslash = true;
        wire.remove_suffix(1);
    }
    while (!wire.empty()) {
        const size_t end = wire.find('\\');
        const std::string_view component = wire.substr(0, end);
        wire = end == std::string_view::npos ? std::string_view() : wire.substr(end + 1);
        if (component.empty()) continue;  // redundant backslashes
        auto name = split_stream(component, wire.empty(), out);
        if (!name) return name.failure();
        if (name->empty() && out.path.empty() && wire.empty()) continue;  // a stream of the share's root
        if (name->empty()) return NtStatus::OBJECT_NAME_INVALID;
        // MS-FSCC 2.1.5.1: of what went before in the name, without a look at what is there. There is no way out of the share: at its root
        // the section has it mean nothing; it must not be sent, and is refused as Debian's smbd refuses it.
        if (*name == "..") {
            if (out.path.empty()) return NtStatus::OBJECT_PATH_SYNTAX_BAD;
            const size_t slash = out.path.rfind('/');
            out.path.resize(slash == std::string::npos ? 0 : slash);
            continue;
        }
        if (*name == "." || has_forbidden(*name) || name->size() > limits::max_component_bytes) return NtStatus::OBJECT_NAME_INVALID;
        if (!out.path.empty()) out.path += '/';
        out.path += *name;
    }
    return {};
}

}  // namespace Atoll::fsa
