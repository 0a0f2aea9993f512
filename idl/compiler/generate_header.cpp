#include <algorithm>

#include "idl/compiler/check.h"
#include "idl/compiler/cpp_names.h"
#include "idl/compiler/generate.h"

namespace Atoll::idlc {

namespace {

std::string initial_value(const Member& member, const std::string& space) {
    const Type* of = &member.type;
    while (of->kind == Kind::subcontext || (of->kind == Kind::pointer && !of->may_be_null())) of = of->element.get();
    const Type& type = *of;
    if (member.default_value && type.kind == Kind::boolean) return *member.default_value != 0 ? " = true" : " = false";
    if (member.default_value) return " = " + literal(*member.default_value, type.width, type.is_signed);
    if (type.kind == Kind::integer) return " = 0";
    if (type.kind == Kind::boolean) return " = false";
    if (type.kind == Kind::array && !type.conformant && !type.varying) return "{}";
    if (type.kind == Kind::enumeration) {
        return type.enumeration->flags ? "{}" : fmt::format(" = {}::{}", cpp_type(type, space), type.enumeration->enumerators.front().name);
    }
    return "";
}

void declare(Text& out, const Constant& constant) {
    out.line("constexpr {} {} = {};", cpp_type(constant.type, ""), constant.name,
             literal(constant.value, constant.type.width, constant.type.is_signed));
}

void declare(Text& out, const Enumeration& made) {
    const std::string underlying = unsigned_type(made.width);
    out.line("enum class {} : {} {{", made.name, underlying);
    if (made.flags) out.line("none = 0,");
    for (const Enumerator& e : made.enumerators) out.line("{} = {},", e.name, literal(e.value, made.width, false));
    out.line("}};");
    if (made.flags) {
        for (const char* op : {"|", "&"}) {
            out.line("constexpr {0} operator{1}({0} a, {0} b) {{ return static_cast<{0}>(static_cast<{2}>(a) {1} static_cast<{2}>(b)); }}",
                     made.name, op, underlying);
            out.line("constexpr {0}& operator{1}=({0}& a, {0} b) {{ return a = a {1} b; }}", made.name, op);
        }
        out.line("constexpr {0} operator~({0} a) {{ return static_cast<{0}>(~static_cast<{1}>(a)); }}", made.name, underlying);
        out.line("constexpr bool any({} a) {{ return static_cast<{}>(a) != 0; }}", made.name, underlying);
    }
    out.line("bool is_known({} value);  // a declared value; for flags: only declared bits", made.name);
    out.line("std::string to_string({} value);", made.name);
    out.raw("");
}

void declare(Text& out, const Structure& made) {
    out.line("struct {} {{", made.name);
    if (made.record) out.line("static constexpr idl::Level newest_version = {};", made.version);
    for (const Member& member : made.members) {
        if (member.counts.empty()) out.line("{} {}{};", cpp_type(member.type, made.space), member.name, initializer(member, made.space));
    }
    out.line("bool operator==(const {}&) const = default;", made.name);
    out.line("}};");
    Type type;
    type.kind = Kind::structure;
    type.structure = std::shared_ptr<const Structure>(&made, [](const Structure*) {});
    out.line("void ndr_put(idl::NdrWriter& ndr, const {}& value);", made.name);
    out.line("void ndr_get(idl::NdrReader& ndr, {}& value);", made.name);
    if (is_conformant(type)) {
        out.line("void ndr_put_conformance(idl::NdrWriter& ndr, const {}& value);", made.name);
        out.line("void ndr_get_conformance(idl::NdrReader& ndr, {}& value);", made.name);
    }
    if (has_pointers(type)) {
        out.line("void ndr_put_deferred(idl::NdrWriter& ndr, const {}& value);", made.name);
        out.line("void ndr_get_deferred(idl::NdrReader& ndr, {}& value);", made.name);
    }
    out.line("void describe(idl::Printer& printer, const {}& value);", made.name);
    out.line("void arbitrary(idl::Arbitrary& random, {}& value);", made.name);
    out.line("void encode(const {}& value, Buffer& out{});  // appends", made.name, made.record ? ", idl::Level level" : "");
    out.line("Result<void> decode(Bytes in, {}& out);  // reuses out's capacity; out holds no meaning after an error", made.name);
    out.line("std::string print(const {}& value);", made.name);
    out.line("std::string print_json(const {}& value);", made.name);
    out.raw("");
}

void declare(Text&, const Function&) {}  // generate_functions.cpp

void declare_arm(Text& out, const Member& member, const std::string& space, size_t index) {
    const std::string type = cpp_type(member.type, space);
    const std::string& name = member.name;
    out.line("[[nodiscard]] bool is_{}() const {{ return value.index() == {}; }}", name, index);
    for (const char* qualifier : {"", "const "}) {
        out.line("[[nodiscard]] {0}{1}& {2}() {0}{{", qualifier, type, name);
        out.line("ATOLL_ASSERT(is_{}());", name);
        out.line("return *std::get_if<{}>(&value);", index);
        out.line("}}");
    }
    out.line("{}& make_{}() {{", type, name);
    out.line("if (!is_{}()) value.emplace<{}>();", name, index);
    out.line("return {}();", name);
    out.line("}}");
}

void declare(Text& out, const Union& made) {
    std::string types = "std::monostate";
    for (const Arm& arm : made.arms) {
        if (arm.member) types += ", " + cpp_type(arm.member->type, made.space);
    }
    out.line("struct {} {{", made.name);
    if (!made.encapsulated.empty()) {
        Member tag;
        tag.type = made.tag;
        out.line("{} {}{};", cpp_type(made.tag, made.space), made.encapsulated, initial_value(tag, made.space));
    }
    out.line("std::variant<{}> value;  // monostate: no arm, or an empty one", types);
    out.line("bool operator==(const {}&) const = default;", made.name);
    out.line("void clear() {{ value.emplace<0>(); }}");
    size_t index = 0;
    for (const Arm& arm : made.arms) {
        if (arm.member) declare_arm(out, *arm.member, made.space, ++index);
    }
    out.line("}};");
    Type type;
    type.kind = Kind::union_type;
    type.union_type = std::shared_ptr<const Union>(&made, [](const Union*) {});
    const char* tag = made.encapsulated.empty() ? ", int64_t tag" : "";
    out.line("void ndr_put(idl::NdrWriter& ndr, const {}& value{});", made.name, tag);
    out.line("void ndr_get(idl::NdrReader& ndr, {}& value{});", made.name, tag);
    if (has_pointers(type)) {
        out.line("void ndr_put_deferred(idl::NdrWriter& ndr, const {}& value);", made.name);
        out.line("void ndr_get_deferred(idl::NdrReader& ndr, {}& value);", made.name);
    }
    out.line("void describe(idl::Printer& printer, const {}& value);", made.name);
    out.line("void arbitrary(idl::Arbitrary& random, {}& value{});", made.name, tag);
    out.raw("");
}

}  // namespace

std::string initializer(const Member& member, const std::string& space) { return initial_value(member, space); }

std::string generate_header(const File& file) {
    Text out;
    out.flat("// Made by idlc from " + file.path + ": do not edit. See docs/idl.md.");
    out.flat("#pragma once\n");
    for (const char* header : {"<array>", "<cstdint>", "<optional>", "<span>", "<string>", "<variant>", "<vector>"})
        out.flat(std::string("#include ") + header);
    out.flat("");
    for (const char* header : {"idl/arbitrary.h", "idl/interface_type.h", "idl/ndr.h", "idl/printer.h", "idl/record_type.h"})
        out.flat(fmt::format("#include \"{}\"", header));
    for (const std::string& import : file.imports) out.flat(fmt::format("#include \"{}.h\"", import));
    out.flat(fmt::format("\nnamespace Atoll::{} {{\n", file.space));
    for (const Declaration& declaration : file.declarations) {
        if (const auto* function = std::get_if<std::shared_ptr<Function>>(&declaration))
            declare_function(out, **function, file);
        else
            std::visit([&](const auto& made) { declare(out, *made); }, declaration);
    }
    declare_interface(out, file);
    out.flat(fmt::format("// All records of {}.", file.path));
    out.flat(fmt::format("std::span<const idl::RecordType> {}_records();", file.interface_name));
    out.flat(fmt::format("\n}}  // namespace Atoll::{}", file.space));
    return out.take();
}

}  // namespace Atoll::idlc
