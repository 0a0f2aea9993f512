// Functions: the structs of their requests and responses, and the table of an interface.
#include <algorithm>

#include "base/guid.h"
#include "idl/compiler/check.h"
#include "idl/compiler/cpp_names.h"
#include "idl/compiler/generate.h"

namespace Atoll::idlc {

namespace {

// A request or a response: the parameters of one direction.
struct Side {
    const Function& function;
    bool out;
    std::string space;

    [[nodiscard]] bool has(const Member& m) const { return out ? m.out : m.in; }
    [[nodiscard]] std::string type() const { return function.name + (out ? "::Out" : "::In"); }
    [[nodiscard]] const char* variable() const { return out ? "out" : "in"; }
    // Names in expressions: a response's own parameters first, then the request's.
    [[nodiscard]] Codec::Resolve resolve() const {
        return [this](const std::string& name) {
            const auto found =
                std::find_if(function.parameters.begin(), function.parameters.end(), [&](const Member& m) { return m.name == name; });
            return std::string(out && found != function.parameters.end() && found->out ? "out." : "in.") + name;
        };
    }
};

// A parameter's own pointer that is a reference is not on the wire (C706 14.3.12.1).
const Type& on_wire(const Type& type) { return type.kind == Kind::pointer && !type.may_be_null() ? *type.element : type; }

void declare_side(Text& out, const Side& side) {
    out.line("struct {} {{", side.out ? "Out" : "In");
    for (const Member& member : side.function.parameters) {
        if (side.has(member) && member.counts.empty())
            out.line("{} {}{};", cpp_type(member.type, side.space), member.name, initializer(member, side.space));
    }
    if (side.out && side.function.result.kind != Kind::nothing) {
        Member result;
        result.type = side.function.result;
        out.line("{} result{};", cpp_type(result.type, side.space), initializer(result, side.space));
    }
    out.line("bool operator==(const {}&) const = default;", side.out ? "Out" : "In");
    out.line("}};");
}

void encode_side(Text& out, const Side& side) {
    const std::string other = side.out ? fmt::format(", [[maybe_unused]] const {}::In& in", side.function.name) : "";
    out.line("void encode([[maybe_unused]] const {}& {}{}, Buffer& stub, idl::Syntax syntax) {{", side.type(), side.variable(), other);
    out.line("[[maybe_unused]] idl::NdrWriter ndr(stub, syntax);");
    Codec codec(out, side.space, side.resolve(), false);
    for (const Member& member : side.function.parameters) {
        if (!side.has(member)) continue;
        if (!member.counts.empty())
            put_count(out, member, side.resolve());
        else
            codec.put_whole(on_wire(member.type), side.resolve()(member.name));
    }
    if (side.out) codec.put(side.function.result, "out.result");
    out.line("}}\n");
}

void decode_side(Text& out, const Side& side) {
    const std::string other = side.out ? fmt::format(", [[maybe_unused]] const {}::In& in", side.function.name) : "";
    out.line("Result<void> decode(Bytes stub, [[maybe_unused]] {}& {}{}, idl::StubFormat format) {{", side.type(), side.variable(), other);
    out.line("idl::NdrReader ndr(stub, format);");
    Codec codec(out, side.space, side.resolve(), false);
    for (const Member& member : side.function.parameters) {
        if (!side.has(member)) continue;
        if (!member.counts.empty())
            get_count(out, member);
        else
            codec.get_whole(on_wire(member.type), side.resolve()(member.name));
    }
    if (side.out) codec.get(side.function.result, "out.result");
    for (const Member& member : side.function.parameters) {
        if (!side.has(member)) continue;
        for (const std::string& counted : member.counts)
            out.line("if (!idl::counts(count_of_{}, {})) ndr.fail(\"an array's count differs from its size_is\");", member.name,
                     side.resolve()(counted));
    }
    codec.finish();
    out.line("return ndr.finish(\"{} {}\");", side.function.name, side.out ? "response" : "request");
    out.line("}}\n");
}

void print_side(Text& out, const Side& side) {
    out.line("void describe(idl::Printer& printer, [[maybe_unused]] const {}& {}) {{", side.type(), side.variable());
    out.line("printer.begin_struct(\"{} {}\");", side.function.name, side.out ? "response" : "request");
    for (const Member& member : side.function.parameters) {
        if (!side.has(member) || !member.counts.empty()) continue;
        out.line("printer.field(\"{}\");", member.name);
        if (member.secret)
            out.line("printer.name(\"(secret)\");");
        else
            print_value(out, member.type, side.resolve()(member.name), member.hex);
    }
    if (side.out && side.function.result.kind != Kind::nothing) {
        out.line("printer.field(\"result\");");
        print_value(out, side.function.result, "out.result", false);
    }
    out.line("printer.end_struct();");
    out.line("}}\n");
    for (const auto& [function, form] : {std::pair{"print", "text"}, std::pair{"print_json", "json"}}) {
        out.line("std::string {}(const {}& {}) {{", function, side.type(), side.variable());
        out.line("idl::Printer printer(idl::Printer::Form::{});", form);
        out.line("describe(printer, {});", side.variable());
        out.line("return printer.take();");
        out.line("}}\n");
    }
}

void arbitrary_side(Text& out, const Side& side) {
    const std::string other = side.out ? fmt::format(", [[maybe_unused]] const {}::In& in", side.function.name) : "";
    out.line("void arbitrary([[maybe_unused]] idl::Arbitrary& random, [[maybe_unused]] {}& {}{}) {{", side.type(), side.variable(), other);
    fill_members(out, side.function.parameters, side.space, side.resolve(), [&](const Member& m) { return side.has(m); });
    if (side.out && side.function.result.kind != Kind::nothing)
        fill_value(out, side.function.result, "out.result", side.space, "", side.resolve());
    out.line("}}\n");
}

std::vector<const Function*> functions_of(const File& file) {
    std::vector<const Function*> all;
    for (const Declaration& declaration : file.declarations) {
        if (const auto* function = std::get_if<std::shared_ptr<Function>>(&declaration)) all.push_back(function->get());
    }
    return all;
}

std::string guid_literal(const std::string& text) {
    const auto guid = parse_guid(text).value_or(Guid{});
    std::string bytes;
    for (const uint8_t byte : guid.bytes) bytes += fmt::format("{}{:#04x}", bytes.empty() ? "" : ", ", byte);
    return "Guid{{" + bytes + "}}";
}

}  // namespace

void declare_function(Text& out, const Function& made, const File& file) {
    const Side in{made, false, file.space};
    const Side response{made, true, file.space};
    out.line("// opnum {}", made.opnum);
    out.line("struct {} {{", made.name);
    out.line("static constexpr uint16_t opnum = {};", made.opnum);
    out.line("static constexpr std::string_view name = \"{}\";", made.name);
    declare_side(out, in);
    declare_side(out, response);
    out.line("}};");
    out.line("void encode(const {0}::In& in, Buffer& stub, idl::Syntax syntax = idl::Syntax::ndr);", made.name);
    out.line("void encode(const {0}::Out& out, const {0}::In& in, Buffer& stub, idl::Syntax syntax = idl::Syntax::ndr);", made.name);
    out.line("Result<void> decode(Bytes stub, {0}::In& in, idl::StubFormat format = {{}});", made.name);
    out.line("Result<void> decode(Bytes stub, {0}::Out& out, const {0}::In& in, idl::StubFormat format = {{}});", made.name);
    for (const Side& side : {in, response}) {
        out.line("void describe(idl::Printer& printer, const {}& {});", side.type(), side.variable());
        out.line("std::string print(const {}& {});", side.type(), side.variable());
        out.line("std::string print_json(const {}& {});", side.type(), side.variable());
    }
    out.line("void arbitrary(idl::Arbitrary& random, {0}::In& in);", made.name);
    out.line("void arbitrary(idl::Arbitrary& random, {0}::Out& out, const {0}::In& in);", made.name);
    out.raw("");
}

void generate_function(Text& out, const Function& made, const std::string& space) {
    for (const bool response : {false, true}) {
        const Side side{made, response, space};
        encode_side(out, side);
        decode_side(out, side);
        print_side(out, side);
        arbitrary_side(out, side);
    }
}

void declare_interface(Text& out, const File& file) {
    if (functions_of(file).empty()) return;
    out.flat(fmt::format("// The interface of {}: what binds to it, and its functions by their opnum.", file.path));
    out.flat(fmt::format("const idl::InterfaceType& {}_interface();", file.interface_name));
}

void generate_interface(Text& out, const File& file) {
    const auto functions = functions_of(file);
    if (functions.empty()) return;
    out.line("\nconst idl::InterfaceType& {}_interface() {{", file.interface_name);
    out.line("static const idl::FunctionType functions[] = {{");
    for (const Function* function : functions) out.line("idl::function_type<{}>(),", function->name);
    out.line("}};");
    std::string endpoints;
    for (const std::string& endpoint : file.endpoints) endpoints += fmt::format("{}R\"({})\"", endpoints.empty() ? "" : ", ", endpoint);
    if (!endpoints.empty()) out.line("static constexpr std::string_view endpoints[] = {{{}}};", endpoints);
    out.line("static const idl::InterfaceType type = {{\"{}\", {}, {}, {}, {}, functions}};", file.interface_name, guid_literal(file.uuid),
             file.version_major, file.version_minor, endpoints.empty() ? "{}" : "endpoints");
    out.line("return type;");
    out.line("}}");
}

}  // namespace Atoll::idlc
