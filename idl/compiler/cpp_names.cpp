#include "idl/compiler/cpp_names.h"

#include <fmt/format.h>

namespace Atoll::idlc {

std::string cpp_name(const std::string& name, const std::string& its_space, const std::string& space) {
    return its_space == space ? name : its_space + "::" + name;
}

std::string unsigned_type(unsigned width) { return fmt::format("uint{}_t", width * 8); }

std::string accessor(unsigned width) { return fmt::format("u{}", width * 8); }

std::string enum_accessor(const Enumeration& made) { return made.wide_in_64 ? "enum16" : accessor(made.width); }

std::string cpp_type(const Type& type, const std::string& space) {
    switch (type.kind) {
        case Kind::nothing:
        case Kind::binding: return "void";
        case Kind::integer: return fmt::format("{}int{}_t", type.is_signed ? "" : "u", type.width * 8);
        case Kind::boolean: return "bool";
        case Kind::enumeration: return cpp_name(type.enumeration->name, type.enumeration->space, space);
        case Kind::structure: return cpp_name(type.structure->name, type.structure->space, space);
        case Kind::union_type: return cpp_name(type.union_type->name, type.union_type->space, space);
        case Kind::guid: return "Guid";
        case Kind::sid: return "Sid";
        case Kind::nttime:
        case Kind::filetime: return "NtTime";
        case Kind::context_handle: return "idl::ContextHandle";
        case Kind::utf8:
        case Kind::path:
        case Kind::string: return "std::string";
        case Kind::blob: return "std::vector<uint8_t>";
        case Kind::sequence: return fmt::format("std::vector<{}>", cpp_type(*type.element, space));
        case Kind::optional: return fmt::format("std::optional<{}>", cpp_type(*type.element, space));
        case Kind::array:
            if (type.conformant || type.varying) return fmt::format("std::vector<{}>", cpp_type(*type.element, space));
            return fmt::format("std::array<{}, {}>", cpp_type(*type.element, space), type.limit);
        case Kind::pointer:
            return fmt::format(fmt::runtime(type.may_be_null() ? "std::optional<{}>" : "{}"), cpp_type(*type.element, space));
        case Kind::subcontext: return cpp_type(*type.element, space);
    }
    return "";
}

std::string literal(int64_t value, unsigned width, bool is_signed) {
    if (is_signed) return value == INT64_MIN ? "INT64_MIN" : fmt::format("{}", value);
    const uint64_t mask = width == 8 ? UINT64_MAX : (uint64_t{1} << (width * 8)) - 1;
    return fmt::format("{:#x}", static_cast<uint64_t>(value) & mask);
}

std::string limit_of(const Type& type) {
    if (type.limit != 0) return fmt::format("{}", type.limit);
    switch (type.kind) {
        case Kind::utf8:
        case Kind::path: return "limits::idl_max_text";
        case Kind::blob: return "limits::idl_max_blob";
        case Kind::string: return "limits::idl_max_wide_string";
        case Kind::array: return is_bytes(*type.element) ? "limits::idl_max_blob" : "limits::idl_max_elements";
        default: return "limits::idl_max_elements";
    }
}

bool is_bytes(const Type& type) { return type.kind == Kind::integer && type.width == 1 && !type.is_signed; }

// FNV-1a, folded to 16 bits.
uint16_t record_tag(const std::string& name) {
    uint32_t hash = 2166136261u;
    for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619u;
    return static_cast<uint16_t>(hash ^ (hash >> 16));
}

}  // namespace Atoll::idlc
