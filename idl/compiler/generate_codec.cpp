// encode and decode: three passes over a structure, as NDR wants them (C706 14.3): the counts of a conformant array first, then the
// structure itself, then what its pointers point to.
#include "idl/compiler/check.h"
#include "idl/compiler/cpp_names.h"
#include "idl/compiler/generate.h"

namespace Atoll::idlc {

namespace {

// "out.u32(...)" and its like, for values of every kind. `e` is a C++ expression for the value.
class Codec {
 public:
    Codec(Text& out, std::string space) : out_(out), space_(std::move(space)) {}

    void put(const Type& type, const std::string& e, const std::string& tag = "") {
        switch (type.kind) {
            case Kind::integer:
                if (type.is_signed) return out_.line("out.{}(static_cast<{}>({}));", accessor(type.width), unsigned_type(type.width), e);
                return out_.line("out.{}({});", accessor(type.width), e);
            case Kind::enumeration:
                return out_.line("out.{}(static_cast<{}>({}));", accessor(type.enumeration->width), unsigned_type(type.enumeration->width),
                                 e);
            case Kind::boolean: return out_.line("out.boolean({});", e);
            case Kind::guid: return out_.line("out.guid({});", e);
            case Kind::sid: return out_.line("out.sid({});", e);
            case Kind::nttime: return out_.line("out.u64({}.ticks);", e);
            case Kind::filetime:
                out_.line("out.u32(static_cast<uint32_t>({}.ticks));", e);
                return out_.line("out.u32(static_cast<uint32_t>({}.ticks >> 32));", e);
            case Kind::utf8:
            case Kind::path: return out_.line("out.text({}, {});", e, limit_of(type));
            case Kind::blob: return out_.line("out.blob({}, {});", e, limit_of(type));
            case Kind::structure: return out_.line("ndr_put(out, {});", e);
            case Kind::union_type: return out_.line("ndr_put(out, {}, {});", e, tag);
            case Kind::sequence: out_.line("out.count({}.size(), {});", e, limit_of(type)); return put_each(type, e);
            case Kind::array:
            case Kind::conformant: return put_each(type, e);
            case Kind::optional:
                out_.line("out.boolean({}.has_value());", e);
                out_.line("if ({}) {{", e);
                put(*type.element, "(*" + e + ")");
                return out_.line("}}");
            case Kind::pointer:
            case Kind::sized_pointer:
            case Kind::string_pointer: return out_.line("out.referent({});", type.unique ? e + ".has_value()" : "true");
        }
    }

    void get(const Type& type, const std::string& e, const std::string& tag_or_count = "") {
        switch (type.kind) {
            case Kind::integer:
                if (type.is_signed) return out_.line("{} = static_cast<{}>(in.{}());", e, cpp_type(type, space_), accessor(type.width));
                return out_.line("{} = in.{}();", e, accessor(type.width));
            case Kind::enumeration:
                out_.line("{} = static_cast<{}>(in.{}());", e, cpp_type(type, space_), accessor(type.enumeration->width));
                return out_.line("if (!is_known({})) in.fail(\"{} holds an unknown value\");", e, type.enumeration->name);
            case Kind::boolean: return out_.line("{} = in.boolean();", e);
            case Kind::guid: return out_.line("{} = in.guid();", e);
            case Kind::sid: return out_.line("{} = in.sid();", e);
            case Kind::nttime: return out_.line("{}.ticks = in.u64();", e);
            case Kind::filetime: out_.line("{}.ticks = in.u32();", e); return out_.line("{}.ticks |= uint64_t{{in.u32()}} << 32;", e);
            case Kind::utf8: return out_.line("in.utf8({}, {});", e, limit_of(type));
            case Kind::path: return out_.line("in.path({}, {});", e, limit_of(type));
            case Kind::blob: return out_.line("in.blob({}, {});", e, limit_of(type));
            case Kind::structure: return out_.line("ndr_get(in, {});", e);
            case Kind::union_type: return out_.line("ndr_get(in, {}, {});", e, tag_or_count);
            case Kind::sequence:
                out_.line("{}.resize(in.count({}, {}));", e, minimum_size(*type.element), limit_of(type));
                return get_each(type, e);
            case Kind::array:
            case Kind::conformant: return get_each(type, e);
            case Kind::optional:
                out_.line("if (in.boolean()) {{");
                out_.line("if (!{0}) {0}.emplace();", e);
                get(*type.element, "(*" + e + ")");
                out_.line("}} else {{");
                out_.line("{}.reset();", e);
                return out_.line("}}");
            case Kind::pointer:
            case Kind::string_pointer: return get_referent(type, e);
            case Kind::sized_pointer: return get_sized_referent(type, e, tag_or_count);
        }
    }

    void put_deferred(const Type& type, const std::string& e) {
        if (!has_pointers(type)) return;
        switch (type.kind) {
            case Kind::structure:
            case Kind::union_type: return out_.line("ndr_put_deferred(out, {});", e);
            case Kind::sequence:
            case Kind::array:
            case Kind::conformant: return each(type, e, "const auto&", [&](const std::string& item) { put_deferred(*type.element, item); });
            case Kind::optional: return guarded(true, e, [&](const std::string& inner) { put_deferred(*type.element, inner); });
            case Kind::string_pointer:
                return guarded(type.unique, e, [&](const std::string& inner) { out_.line("out.wide_string({});", inner); });
            case Kind::pointer:
                return guarded(type.unique, e, [&](const std::string& inner) {
                    if (is_conformant(*type.element)) out_.line("ndr_put_conformance(out, {});", inner);
                    put(*type.element, inner);
                    put_deferred(*type.element, inner);
                });
            case Kind::sized_pointer:
                return guarded(type.unique, e, [&](const std::string& inner) {
                    out_.line("out.count({}.size(), {});", inner, limit_of(type));
                    put_each(type, inner);
                    if (has_pointers(*type.element))
                        each(type, inner, "const auto&", [&](const std::string& item) { put_deferred(*type.element, item); });
                });
            default: return;
        }
    }

    void get_deferred(const Type& type, const std::string& e) {
        if (!has_pointers(type)) return;
        switch (type.kind) {
            case Kind::structure:
            case Kind::union_type: return out_.line("ndr_get_deferred(in, {});", e);
            case Kind::sequence:
            case Kind::array:
            case Kind::conformant: return each(type, e, "auto&", [&](const std::string& item) { get_deferred(*type.element, item); });
            case Kind::optional: return guarded(true, e, [&](const std::string& inner) { get_deferred(*type.element, inner); });
            case Kind::string_pointer:
                return guarded(type.unique, e,
                               [&](const std::string& inner) { out_.line("in.wide_string({}, {});", inner, limit_of(type)); });
            case Kind::pointer:
                return guarded(type.unique, e, [&](const std::string& inner) {
                    if (is_conformant(*type.element)) out_.line("ndr_get_conformance(in, {});", inner);
                    get(*type.element, inner);
                    get_deferred(*type.element, inner);
                });
            case Kind::sized_pointer:
                return guarded(type.unique, e, [&](const std::string& inner) {
                    out_.line("if (in.u32() != {}.size()) in.fail(\"an array's maximum count differs from its size_is\");", inner);
                    get_each(type, inner);
                    if (has_pointers(*type.element))
                        each(type, inner, "auto&", [&](const std::string& item) { get_deferred(*type.element, item); });
                });
            default: return;
        }
    }

 private:
    template <class Body>
    void each(const Type&, const std::string& e, const char* qualifiers, Body body) {
        const std::string item = out_.fresh("item");
        out_.line("for ({} {} : {}) {{", qualifiers, item, e);
        body(item);
        out_.line("}}");
    }
    template <class Body>
    void guarded(bool may_be_null, const std::string& e, Body body) {
        if (!may_be_null) return body(e);
        out_.line("if ({}) {{", e);
        body("(*" + e + ")");
        out_.line("}}");
    }
    void put_each(const Type& type, const std::string& e) {
        if (is_bytes(*type.element)) return out_.line("out.bytes({});", e);
        each(type, e, "const auto&", [&](const std::string& item) { put(*type.element, item); });
    }
    void get_each(const Type& type, const std::string& e) {
        if (is_bytes(*type.element)) return out_.line("in.bytes({});", e);
        each(type, e, "auto&", [&](const std::string& item) { get(*type.element, item); });
    }
    void get_referent(const Type& type, const std::string& e) {
        if (!type.unique) return out_.line("if (!in.referent()) in.fail(\"a pointer that may not be null is null\");");
        out_.line("if (in.referent()) {{");
        out_.line("if (!{0}) {0}.emplace();", e);
        out_.line("}} else {{");
        out_.line("{}.reset();", e);
        out_.line("}}");
    }
    void get_sized_referent(const Type& type, const std::string& e, const std::string& count) {
        const std::string checked = fmt::format("in.checked_count({}, {}, {})", count, minimum_size(*type.element), limit_of(type));
        if (!type.unique) {
            get_referent(type, e);
            return out_.line("{}.resize({});", e, checked);
        }
        get_referent(type, e);
        out_.line("if ({}) {{", e);
        out_.line("{}->resize({});", e, checked);
        out_.line("}} else if ({} != 0) {{", count);
        out_.line("in.fail(\"a null pointer to elements that are counted\");");
        out_.line("}}");
    }

    Text& out_;
    std::string space_;
};

Type type_of(const Structure& structure) {
    Type type;
    type.kind = Kind::structure;
    type.structure = std::shared_ptr<const Structure>(&structure, [](const Structure*) {});
    return type;
}

Type type_of(const Union& made) {
    Type type;
    type.kind = Kind::union_type;
    type.union_type = std::shared_ptr<const Union>(&made, [](const Union*) {});
    return type;
}

// Opens "if (x.has(since, until)) {" for a member that is not in every level.
bool open_levels(Text& out, const Member& member, const char* side) {
    if (member.since == always && member.until == never) return false;
    if (member.until == never)
        out.line("if ({}.has({})) {{", side, member.since);
    else
        out.line("if ({}.has({}, {})) {{", side, member.since, member.until);
    return true;
}

std::string tag_argument(const Member& member) {
    return member.switch_is.empty() ? "" : fmt::format("static_cast<int64_t>(value.{})", member.switch_is);
}

const Member* find_member(const Structure& structure, const std::string& name) {
    for (const Member& member : structure.members) {
        if (member.name == name) return &member;
    }
    return nullptr;
}

// The number of elements of a member that another one counts.
std::string size_of(const Member& member) {
    if (member.type.kind == Kind::sized_pointer && member.type.unique)
        return fmt::format("(value.{0} ? value.{0}->size() : 0)", member.name);
    return fmt::format("value.{}.size()", member.name);
}

void put_count(Text& out, const Structure& structure, const Member& member) {
    for (size_t i = 1; i < member.counts.size(); i++) {
        out.line("ATOLL_ASSERT({} == {});", size_of(*find_member(structure, member.counts[i])),
                 size_of(*find_member(structure, member.counts[0])));
    }
    const std::string size = size_of(*find_member(structure, member.counts[0]));
    if (member.type.width < 8) out.line("ATOLL_ASSERT({} <= UINT{}_MAX);", size, member.type.width * 8);
    out.line("out.{}(static_cast<{}>({}));", accessor(member.type.width), unsigned_type(member.type.width), size);
}

void put_structure(Text& out, const Structure& structure) {
    Codec codec(out, structure.space);
    out.line("void ndr_put(idl::NdrWriter& out, [[maybe_unused]] const {}& value) {{", structure.name);
    out.line("out.align({});", alignment(type_of(structure)));
    for (const Member& member : structure.members) {
        if (!member.counts.empty()) {
            put_count(out, structure, member);
            continue;
        }
        const bool opened = open_levels(out, member, "out");
        codec.put(member.type, "value." + member.name, tag_argument(member));
        if (opened) out.line("}}");
    }
    out.line("}}\n");
}

void get_member(Text& out, Codec& codec, const Structure& structure, const Member& member) {
    const std::string e = "value." + member.name;
    const bool opened = open_levels(out, member, "in");
    const std::string count = member.size_is.empty() ? "" : "count_of_" + member.size_is;
    codec.get(member.type, e, member.switch_is.empty() ? count : tag_argument(member));
    if (member.type.kind == Kind::conformant)
        out.line("if ({} != {}.size()) in.fail(\"an array's maximum count differs from its size_is\");", count, e);
    if (!opened) return;
    out.line("}} else {{");
    out.line("{} = {}().{};", e, structure.name, member.name);
    out.line("}}");
}

void get_structure(Text& out, const Structure& structure) {
    Codec codec(out, structure.space);
    out.line("void ndr_get(idl::NdrReader& in, [[maybe_unused]] {}& value) {{", structure.name);
    out.line("in.align({});", alignment(type_of(structure)));
    for (const Member& member : structure.members) {
        if (!member.counts.empty())
            out.line("const uint64_t count_of_{} = in.{}();", member.name, accessor(member.type.width));
        else
            get_member(out, codec, structure, member);
    }
    out.line("}}\n");
}

void conformance(Text& out, const Structure& structure) {
    const Member& last = structure.members.back();
    const bool here = last.type.kind == Kind::conformant;
    out.line("void ndr_put_conformance(idl::NdrWriter& out, const {}& value) {{", structure.name);
    if (here)
        out.line("out.count(value.{}.size(), {});", last.name, limit_of(last.type));
    else
        out.line("ndr_put_conformance(out, value.{});", last.name);
    out.line("}}\n");
    out.line("void ndr_get_conformance(idl::NdrReader& in, {}& value) {{", structure.name);
    if (here)
        out.line("value.{}.resize(in.count({}, {}));", last.name, minimum_size(*last.type.element), limit_of(last.type));
    else
        out.line("ndr_get_conformance(in, value.{});", last.name);
    out.line("}}\n");
}

void deferred(Text& out, const Structure& structure) {
    Codec codec(out, structure.space);
    for (const bool put : {true, false}) {
        if (put)
            out.line("void ndr_put_deferred(idl::NdrWriter& out, const {}& value) {{", structure.name);
        else
            out.line("void ndr_get_deferred(idl::NdrReader& in, {}& value) {{", structure.name);
        for (const Member& member : structure.members) {
            if (!has_pointers(member.type)) continue;
            const bool opened = open_levels(out, member, put ? "out" : "in");
            if (put)
                codec.put_deferred(member.type, "value." + member.name);
            else
                codec.get_deferred(member.type, "value." + member.name);
            if (opened) out.line("}}");
        }
        out.line("}}\n");
    }
}

void whole(Text& out, const Structure& structure) {
    const Type type = type_of(structure);
    out.line("void encode(const {}& value, Buffer& out{}) {{", structure.name, structure.record ? ", idl::Level level" : "");
    out.line("idl::NdrWriter writer(out, {});", structure.record ? "level" : "idl::newest_level");
    if (structure.record) {
        out.line("ATOLL_ASSERT(level >= idl::first_level);");
        out.line("uint16_t version = 1;");
        for (const uint32_t level : levels(structure)) {
            if (level > always) out.line("if (level >= {0}) version = {0};", level);
        }
        out.line("idl::put_record_header(writer, version, {:#x});", record_tag(structure.name));
    }
    if (is_conformant(type)) out.line("ndr_put_conformance(writer, value);");
    out.line("ndr_put(writer, value);");
    if (has_pointers(type)) out.line("ndr_put_deferred(writer, value);");
    out.line("}}\n");

    out.line("Result<void> decode(Bytes in, {}& out) {{", structure.name);
    out.line("idl::NdrReader reader(in);");
    if (structure.record) {
        out.line("const auto version = idl::get_record_header(reader, \"{0}\", {1}, {2:#x});", structure.name, structure.version,
                 record_tag(structure.name));
        out.line("if (!version) return version.failure();");
        out.line("reader.set_level(*version);");
    }
    if (is_conformant(type)) out.line("ndr_get_conformance(reader, out);");
    out.line("ndr_get(reader, out);");
    if (has_pointers(type)) out.line("ndr_get_deferred(reader, out);");
    out.line("return reader.finish(\"{}\");", structure.name);
    out.line("}}\n");
}

std::string case_labels(const Arm& arm) {
    std::string labels;
    for (const int64_t value : arm.cases) labels += value == INT64_MIN ? "case INT64_MIN: " : fmt::format("case {}: ", value);
    if (arm.is_default) labels += "default: ";
    return labels;
}

bool has_default(const Union& made) {
    for (const Arm& arm : made.arms) {
        if (arm.is_default) return true;
    }
    return false;
}

unsigned tag_width(const Union& made) { return made.tag.kind == Kind::enumeration ? made.tag.enumeration->width : made.tag.width; }

void put_union(Text& out, const Union& made) {
    Codec codec(out, made.space);
    out.line("void ndr_put(idl::NdrWriter& out, const {}& value, int64_t tag) {{", made.name);
    out.line("out.{}(static_cast<{}>(tag));", accessor(tag_width(made)), unsigned_type(tag_width(made)));
    out.line("switch (tag) {{");
    for (const Arm& arm : made.arms) {
        out.line("{}{{", case_labels(arm));
        if (arm.member)
            codec.put(arm.member->type, "value." + arm.member->name + "()");
        else
            out.line("ATOLL_ASSERT(value.value.index() == 0);");
        out.line("break;");
        out.line("}}");
    }
    if (!has_default(made)) out.line("default: ATOLL_ASSERT(false && \"the discriminant has no arm\");");
    out.line("}}");
    out.line("}}\n");
}

void get_union(Text& out, const Union& made) {
    Codec codec(out, made.space);
    const unsigned width = tag_width(made);
    out.line("void ndr_get(idl::NdrReader& in, {}& value, int64_t tag) {{", made.name);
    out.line("if (in.{}() != static_cast<{}>(tag)) in.fail(\"a union's discriminant differs from its member\");", accessor(width),
             unsigned_type(width));
    out.line("if (!in.ok()) return;");
    out.line("switch (tag) {{");
    for (const Arm& arm : made.arms) {
        out.line("{}{{", case_labels(arm));
        if (arm.member) {
            out.line("auto& arm = value.make_{}();", arm.member->name);
            codec.get(arm.member->type, "arm");
            if (arm.member->type.kind == Kind::pointer && !arm.member->type.unique) out.line("static_cast<void>(arm);");
        } else {
            out.line("value.clear();");
        }
        out.line("break;");
        out.line("}}");
    }
    if (!has_default(made)) out.line("default: in.fail(\"{}: the discriminant has no arm\");", made.name);
    out.line("}}");
    out.line("}}\n");
}

void deferred_union(Text& out, const Union& made) {
    Codec codec(out, made.space);
    for (const bool put : {true, false}) {
        if (put)
            out.line("void ndr_put_deferred(idl::NdrWriter& out, const {}& value) {{", made.name);
        else
            out.line("void ndr_get_deferred(idl::NdrReader& in, {}& value) {{", made.name);
        for (const Arm& arm : made.arms) {
            if (!arm.member || !has_pointers(arm.member->type)) continue;
            out.line("if (value.is_{}()) {{", arm.member->name);
            out.line("auto& arm = value.{}();", arm.member->name);
            if (put)
                codec.put_deferred(arm.member->type, "arm");
            else
                codec.get_deferred(arm.member->type, "arm");
            out.line("}}");
        }
        out.line("}}\n");
    }
}

}  // namespace

void generate_codec(Text& out, const Structure& structure, const std::string&) {
    put_structure(out, structure);
    get_structure(out, structure);
    if (is_conformant(type_of(structure))) conformance(out, structure);
    if (has_pointers(type_of(structure))) deferred(out, structure);
    whole(out, structure);
}

void generate_codec(Text& out, const Union& made, const std::string&) {
    put_union(out, made);
    get_union(out, made);
    if (has_pointers(type_of(made))) deferred_union(out, made);
}

}  // namespace Atoll::idlc
