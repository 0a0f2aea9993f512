// Printing, arbitrary values, the table of records, and the source file that holds it all.
#include <algorithm>

#include "idl/compiler/cpp_names.h"
#include "idl/compiler/generate.h"

namespace Atoll::idlc {

namespace {

void print_value(Text& out, const Type& type, const std::string& e, bool hex) {
    switch (type.kind) {
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
        case Kind::utf8:
        case Kind::path: return out.line("printer.text({});", e);
        case Kind::blob: return out.line("printer.bytes({});", e);
        case Kind::structure:
        case Kind::union_type: return out.line("describe(printer, {});", e);
        case Kind::optional:
        case Kind::pointer:
        case Kind::sized_pointer:
        case Kind::string_pointer: break;
        case Kind::sequence:
        case Kind::array:
        case Kind::conformant: {
            if (is_bytes(*type.element)) return out.line("printer.bytes({});", e);
            const std::string item = out.fresh("item");
            out.line("printer.begin_list();");
            out.line("for (const auto& {} : {}) {{", item, e);
            out.line("printer.element();");
            print_value(out, *type.element, item, hex);
            out.line("}}");
            return out.line("printer.end_list();");
        }
    }
    Type inner;
    if (type.kind == Kind::string_pointer)
        inner.kind = Kind::utf8;
    else if (type.kind == Kind::sized_pointer)
        inner = type, inner.kind = Kind::sequence;
    else
        inner = *type.element;
    if (!type.unique && type.kind != Kind::optional) return print_value(out, inner, e, hex);
    out.line("if ({}) {{", e);
    print_value(out, inner, "(*" + e + ")", hex);
    out.line("}} else {{");
    out.line("printer.null();");
    out.line("}}");
}

void fill_value(Text& out, const Type& type, const std::string& e, const std::string& space, const std::string& count) {
    switch (type.kind) {
        case Kind::integer: return out.line("{} = static_cast<{}>(random.u64());", e, cpp_type(type, space));
        case Kind::enumeration: {
            const std::string name = cpp_type(type, space);
            std::string all;
            for (const Enumerator& one : type.enumeration->enumerators)
                all += fmt::format("{}{}::{}", all.empty() ? "" : ", ", name, one.name);
            const std::string table = out.fresh("values");
            out.line("static constexpr {} {}[] = {{{}}};", name, table, all);
            return out.line("{} = {}[random.below(std::size({}))];", e, table, table);
        }
        case Kind::boolean: return out.line("{} = random.boolean();", e);
        case Kind::guid: return out.line("{} = random.guid();", e);
        case Kind::sid: return out.line("{} = random.sid();", e);
        case Kind::nttime:
        case Kind::filetime: return out.line("{}.ticks = random.u64();", e);
        case Kind::utf8: return out.line("random.utf8({}, {});", e, limit_of(type));
        case Kind::path: return out.line("random.path({}, {});", e, limit_of(type));
        case Kind::blob: return out.line("random.blob({}, {});", e, limit_of(type));
        case Kind::structure:
        case Kind::union_type: return out.line("arbitrary(random, {});", e);
        case Kind::optional:
        case Kind::pointer:
        case Kind::sized_pointer:
        case Kind::string_pointer: break;
        case Kind::sequence:
        case Kind::array:
        case Kind::conformant: {
            if (type.kind != Kind::array)
                out.line("{}.resize({});", e, count.empty() ? fmt::format("random.count({})", limit_of(type)) : count);
            const std::string item = out.fresh("item");
            out.line("for (auto& {} : {}) {{", item, e);
            fill_value(out, *type.element, item, space, "");
            return out.line("}}");
        }
    }
    Type inner;
    if (type.kind == Kind::string_pointer)
        inner.kind = Kind::utf8;
    else if (type.kind == Kind::sized_pointer)
        inner = type, inner.kind = Kind::sequence;
    else
        inner = *type.element;
    if (!type.unique && type.kind != Kind::optional) return fill_value(out, inner, e, space, count);
    // A null pointer counts nothing.
    out.line("{}.reset();", e);
    out.line("if ({}) {{", count.empty() ? "random.boolean()" : count + " != 0");
    const std::string made = out.fresh("made");
    out.line("auto& {} = {}.emplace();", made, e);
    fill_value(out, inner, made, space, count);
    out.line("}}");
}

void fill_member(Text& out, const Member& member, const std::string& space) {
    if (!member.switch_is.empty()) return;
    fill_value(out, member.type, "value." + member.name, space, member.size_is.empty() ? "" : "count_of_" + member.size_is);
}

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
void generate(Text& out, const Enumeration& made, const std::string&) { generate_printing(out, made); }
template <class Made>
void generate(Text& out, const Made& made, const std::string& space) {
    generate_codec(out, made, space);
    generate_printing(out, made);
    generate_arbitrary(out, made, space);
}

}  // namespace

void generate_printing(Text& out, const Enumeration& made) {
    const std::string underlying = unsigned_type(made.width);
    out.line("bool is_known({} value) {{", made.name);
    if (made.flags) {
        int64_t all = 0;
        for (const Enumerator& e : made.enumerators) all |= e.value;
        out.line("return (static_cast<uint64_t>(value) & ~uint64_t{{{}}}) == 0;", literal(all, 8, false));
    } else {
        out.line("switch (value) {{");
        for (const Enumerator& e : made.enumerators) out.line("case {}::{}:", made.name, e.name);
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
        for (const Enumerator& e : made.enumerators) out.line("case {}::{}: return \"{}\";", made.name, e.name, e.name);
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
    for (const Arm& arm : made.arms) {
        if (!arm.member) continue;
        out.line("if (value.is_{}()) {{", arm.member->name);
        out.line("printer.begin_struct(\"{}\");", made.name);
        out.line("printer.field(\"{}\");", arm.member->name);
        if (arm.member->secret)
            out.line("printer.name(\"(secret)\");");
        else
            print_value(out, arm.member->type, fmt::format("value.{}()", arm.member->name), arm.member->hex);
        out.line("return printer.end_struct();");
        out.line("}}");
    }
    out.line("printer.null();");
    out.line("}}\n");
}

void generate_arbitrary(Text& out, const Structure& made, const std::string& space) {
    out.line("void arbitrary([[maybe_unused]] idl::Arbitrary& random, [[maybe_unused]] {}& value) {{", made.name);
    for (const Member& member : made.members) {
        if (!member.counts.empty()) {
            out.line("const size_t count_of_{} = random.count(limits::idl_max_elements);", member.name);
            continue;
        }
        fill_member(out, member, space);
    }
    for (const Member& member : made.members) {
        if (member.switch_is.empty()) continue;
        const auto tag =
            std::find_if(made.members.begin(), made.members.end(), [&](const Member& other) { return other.name == member.switch_is; });
        out.line("value.{} = static_cast<{}>(arbitrary(random, value.{}));", tag->name, cpp_type(tag->type, space), member.name);
    }
    out.line("}}\n");
}

void generate_arbitrary(Text& out, const Union& made, const std::string& space) {
    std::vector<const Arm*> arms;
    for (const Arm& arm : made.arms) {
        if (!arm.cases.empty()) arms.push_back(&arm);
    }
    out.line("int64_t arbitrary(idl::Arbitrary& random, {}& value) {{", made.name);
    out.line("switch (random.below({})) {{", arms.size());
    for (size_t i = 0; i < arms.size(); i++) {
        if (i + 1 == arms.size())
            out.line("default: {{");
        else
            out.line("case {}: {{", i);
        if (arms[i]->member) {
            out.line("auto& arm = value.make_{}();", arms[i]->member->name);
            fill_value(out, arms[i]->member->type, "arm", space, "");
        } else {
            out.line("value.clear();");
        }
        out.line("return {};", arms[i]->cases.back());
        out.line("}}");
    }
    out.line("}}");
    out.line("}}\n");
}

std::string generate_source(const File& file) {
    Text out;
    out.flat("// Made by idlc from " + file.path + ": do not edit. See docs/idl.md.");
    out.flat(fmt::format("#include \"{}.h\"\n", file.path));
    out.flat("#include <iterator>\n");
    out.flat(fmt::format("namespace Atoll::{} {{\n", file.space));
    for (const Declaration& declaration : file.declarations) {
        std::visit([&](const auto& made) { generate(out, *made, file.space); }, declaration);
    }
    record_table(out, file);
    out.flat(fmt::format("\n}}  // namespace Atoll::{}", file.space));
    return out.take();
}

}  // namespace Atoll::idlc
