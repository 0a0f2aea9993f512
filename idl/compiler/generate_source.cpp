// Printing, the table of records, and the source file that holds it all.
#include <algorithm>

#include "idl/compiler/cpp_names.h"
#include "idl/compiler/generate.h"

namespace Atoll::idlc {

void print_value(Text& out, const Type& type, const std::string& e, bool hex) {
    switch (type.kind) {
        case Kind::nothing:
        case Kind::binding: return;
        case Kind::integer:
            if (type.is_signed && !hex) return out.line("printer.signed_number({});", e);
            return out.line("printer.{}({});", hex ? "hex" : "number",
                            type.is_signed ? fmt::format("static_cast<{}>({})", unsigned_type(type.width), e) : e);
        case Kind::enumeration: return out.line("printer.name(to_string({}));", e);
        case Kind::boolean: return out.line("printer.boolean({});", e);
        case Kind::guid: return out.line("printer.guid({});", e);
        case Kind::sid: return out.line("printer.sid({});", e);
        case Kind::nttime:
        case Kind::filetime: return out.line("printer.time({});", e);
        case Kind::context_handle: return out.line("printer.context_handle({0}.attributes, {0}.uuid);", e);
        case Kind::utf8:
        case Kind::path:
        case Kind::string: return out.line("printer.text({});", e);
        case Kind::blob: return out.line("printer.bytes({});", e);
        case Kind::structure:
        case Kind::union_type: return out.line("describe(printer, {});", e);
        case Kind::subcontext: return print_value(out, *type.element, e, hex);
        case Kind::sequence:
        case Kind::array: {
            if (is_bytes(*type.element)) return out.line("printer.bytes({});", e);
            const std::string item = out.fresh("item");
            out.line("printer.begin_list();");
            out.line("for (const auto& {} : {}) {{", item, e);
            out.line("printer.element();");
            print_value(out, *type.element, item, hex);
            out.line("}}");
            return out.line("printer.end_list();");
        }
        case Kind::optional:
        case Kind::pointer: break;
    }
    if (type.kind == Kind::pointer && !type.may_be_null()) return print_value(out, *type.element, e, hex);
    out.line("if ({}) {{", e);
    print_value(out, *type.element, "(*" + e + ")", hex);
    out.line("}} else {{");
    out.line("printer.null();");
    out.line("}}");
}

namespace {

void record_entry(Text& out, const Structure& made) {
    out.line("{{\"{0}\", {1:#x}, {2},", made.name, record_tag(made.name), made.version);
    for (const char* print : {"print", "print_json"}) {
        out.line("[](Bytes record) -> Result<std::string> {{");
        out.line("{} value;", made.name);
        out.line("if (auto r = decode(record, value); !r) return r.failure();");
        out.line("return {}(value);", print);
        out.line("}},");
    }
    out.line("[](idl::Arbitrary& random, Buffer& out, idl::Level level) {{");
    out.line("{} value;", made.name);
    out.line("arbitrary(random, value);");
    out.line("encode(value, out, level);");
    out.line("}},");
    out.line("[](Bytes record) {{");
    out.line("{} value, again;", made.name);
    out.line("if (!decode(record, value)) return true;");
    out.line("Buffer copy;");
    out.line("encode(value, copy, load_le<uint16_t>(record.data()));");
    out.line("return decode(copy, again).ok() && again == value;");
    out.line("}}}},");
}

void record_table(Text& out, const File& file) {
    std::vector<const Structure*> records;
    for (const Declaration& declaration : file.declarations) {
        const auto* made = std::get_if<std::shared_ptr<Structure>>(&declaration);
        if (made != nullptr && (*made)->record) records.push_back(made->get());
    }
    out.line("std::span<const idl::RecordType> {}_records() {{", file.interface_name);
    if (records.empty()) {
        out.line("return {{}};");
    } else {
        out.line("static const idl::RecordType table[] = {{");
        for (const Structure* made : records) record_entry(out, *made);
        out.line("}};");
        out.line("return table;");
    }
    out.line("}}");
}

void generate(Text&, const Constant&, const std::string&) {}
void generate(Text& out, const Function& made, const std::string& space) { generate_function(out, made, space); }
void generate(Text& out, const Enumeration& made, const std::string&) { generate_printing(out, made); }
template <class Made>
void generate(Text& out, const Made& made, const std::string& space) {
    generate_codec(out, made, space);
    generate_printing(out, made);
    generate_arbitrary(out, made, space);
}

}  // namespace

// Some specifications name a value twice.
static std::vector<const Enumerator*> distinct(const Enumeration& made) {
    std::vector<const Enumerator*> all;
    for (const Enumerator& e : made.enumerators) {
        if (std::none_of(all.begin(), all.end(), [&](const Enumerator* other) { return other->value == e.value; })) all.push_back(&e);
    }
    return all;
}

void generate_printing(Text& out, const Enumeration& made) {
    const std::string underlying = unsigned_type(made.width);
    out.line("bool is_known({} value) {{", made.name);
    if (made.flags) {
        int64_t all = 0;
        for (const Enumerator& e : made.enumerators) all |= e.value;
        out.line("return (static_cast<uint64_t>(value) & ~uint64_t{{{}}}) == 0;", literal(all, 8, false));
    } else {
        out.line("switch (value) {{");
        for (const Enumerator* e : distinct(made)) out.line("case {}::{}:", made.name, e->name);
        out.line("    return true;");
        out.line("}}");
        out.line("return false;");
    }
    out.line("}}\n");
    out.line("std::string to_string({} value) {{", made.name);
    if (made.flags) {
        out.line("std::string text;");
        for (const Enumerator& e : made.enumerators)
            out.line("if ((value & {0}::{1}) == {0}::{1}) text += text.empty() ? \"{1}\" : \"|{1}\";", made.name, e.name);
        out.line("return text.empty() ? \"0\" : text;");
    } else {
        out.line("switch (value) {{");
        for (const Enumerator* e : distinct(made)) out.line("case {}::{}: return \"{}\";", made.name, e->name, e->name);
        out.line("}}");
        out.line("return std::to_string(static_cast<uint64_t>(value));");
    }
    out.line("}}\n");
}

void generate_printing(Text& out, const Structure& made) {
    out.line("void describe(idl::Printer& printer, [[maybe_unused]] const {}& value) {{", made.name);
    out.line("printer.begin_struct(\"{}\");", made.name);
    for (const Member& member : made.members) {
        if (!member.counts.empty()) continue;
        out.line("printer.field(\"{}\");", member.name);
        if (member.secret)
            out.line("printer.name(\"(secret)\");");
        else
            print_value(out, member.type, "value." + member.name, member.hex);
    }
    out.line("printer.end_struct();");
    out.line("}}\n");
    for (const auto& [function, form] : {std::pair{"print", "text"}, std::pair{"print_json", "json"}}) {
        out.line("std::string {}(const {}& value) {{", function, made.name);
        out.line("idl::Printer printer(idl::Printer::Form::{});", form);
        out.line("describe(printer, value);");
        out.line("return printer.take();");
        out.line("}}\n");
    }
}

void generate_printing(Text& out, const Union& made) {
    out.line("void describe(idl::Printer& printer, const {}& value) {{", made.name);
    out.line("printer.begin_struct(\"{}\");", made.name);
    if (!made.encapsulated.empty()) {
        out.line("printer.field(\"{}\");", made.encapsulated);
        print_value(out, made.tag, "value." + made.encapsulated, false);
    }
    for (const Arm& arm : made.arms) {
        if (!arm.member) continue;
        out.line("if (value.is_{}()) {{", arm.member->name);
        out.line("printer.field(\"{}\");", arm.member->name);
        if (arm.member->secret)
            out.line("printer.name(\"(secret)\");");
        else
            print_value(out, arm.member->type, fmt::format("value.{}()", arm.member->name), arm.member->hex);
        out.line("}}");
    }
    out.line("printer.end_struct();");
    out.line("}}\n");
}

std::string generate_source(const File& file) {
    Text out;
    out.flat("// Made by idlc from " + file.path + ": do not edit. See docs/idl.md.");
    out.flat(fmt::format("#include \"{}.h\"\n", file.path));
    out.flat("#include <algorithm>\n#include <iterator>\n");
    out.flat(fmt::format("namespace Atoll::{} {{\n", file.space));
    for (const Declaration& declaration : file.declarations) {
        std::visit([&](const auto& made) { generate(out, *made, file.space); }, declaration);
    }
    record_table(out, file);
    generate_interface(out, file);
    out.flat(fmt::format("\n}}  // namespace Atoll::{}", file.space));
    return out.take();
}

}  // namespace Atoll::idlc
