// encode and decode of structures and unions.
#include "idl/compiler/check.h"
#include "idl/compiler/codec.h"
#include "idl/compiler/cpp_names.h"
#include "idl/compiler/generate.h"

namespace Atoll::idlc {

namespace {

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

std::string member_of_value(const std::string& name) { return "value." + name; }

Codec codec_of(Text& out, const std::string& space, bool presized) { return Codec(out, space, member_of_value, presized); }

// Opens "if (ndr.has(since, until)) {" for a member that is not in every level.
bool open_levels(Text& out, const Member& member) {
    if (member.since == always && member.until == never) return false;
    if (member.until == never)
        out.line("if (ndr.has({})) {{", member.since);
    else
        out.line("if (ndr.has({}, {})) {{", member.since, member.until);
    return true;
}

void align(Text& out, const Type& type) {
    const size_t ndr = alignment(type), ndr64 = alignment(type, true);
    if (ndr == ndr64)
        out.line("ndr.align({});", ndr);
    else
        out.line("ndr.align({}, {});", ndr, ndr64);
}

void put_structure(Text& out, const Structure& structure) {
    Codec codec = codec_of(out, structure.space, false);
    out.line("void ndr_put(idl::NdrWriter& ndr, [[maybe_unused]] const {}& value) {{", structure.name);
    align(out, type_of(structure));
    for (const Member& member : structure.members) {
        if (!member.counts.empty()) {
            put_count(out, member, member_of_value);
            continue;
        }
        const bool opened = open_levels(out, member);
        codec.put(member.type, "value." + member.name);
        if (opened) out.line("}}");
    }
    if (alignment(type_of(structure), true) > 1) out.line("ndr.align_ndr64({});", alignment(type_of(structure), true));
    out.line("}}\n");
}

// Behind the members, whose order does not matter then: gives arrays behind pointers the size that their counter says, and checks
// arrays that are in the structure itself against it.
void use_counts(Text& out, const Structure& structure) {
    for (const Member& member : structure.members) {
        const Type& type = member.type;
        const std::string e = "value." + member.name;
        const Type& array = type.kind == Kind::pointer ? *type.element : type;
        if (array.kind != Kind::array || array.counter.empty()) continue;
        const std::string count = "count_of_" + array.counter;
        if (type.kind == Kind::array) {
            out.line("if ({} != {}.size()) ndr.fail(\"an array's count differs from its size_is\");", count, e);
            continue;
        }
        const std::string promised = fmt::format("ndr.promised_count({}, {}, {})", count, minimum_size(*array.element), limit_of(array));
        if (type.may_be_null())
            out.line("if ({0}) {0}->resize({1});", e, promised);
        else
            out.line("{}.resize({});", e, promised);
    }
}

void get_structure(Text& out, const Structure& structure) {
    Codec codec = codec_of(out, structure.space, false);
    out.line("void ndr_get(idl::NdrReader& ndr, [[maybe_unused]] {}& value) {{", structure.name);
    align(out, type_of(structure));
    for (const Member& member : structure.members) {
        if (!member.counts.empty()) {
            get_count(out, member);
            continue;
        }
        const bool opened = open_levels(out, member);
        codec.get(member.type, "value." + member.name);
        if (!opened) continue;
        out.line("}} else {{");
        out.line("value.{0} = {1}().{0};", member.name, structure.name);
        out.line("}}");
    }
    const size_t trailing = alignment(type_of(structure), true);
    if (trailing > 1) out.line("ndr.align_ndr64({});", trailing);
    use_counts(out, structure);
    codec.finish();
    out.line("}}\n");
}

void conformance(Text& out, const Structure& structure) {
    const Member& last = structure.members.back();
    Codec codec = codec_of(out, structure.space, false);
    out.line("void ndr_put_conformance(idl::NdrWriter& ndr, const {}& value) {{", structure.name);
    codec.put_conformance(last.type, "value." + last.name);
    out.line("}}\n");
    out.line("void ndr_get_conformance(idl::NdrReader& ndr, [[maybe_unused]] {}& value) {{", structure.name);
    if (last.type.kind == Kind::array && !last.type.varying)
        out.line("value.{}.resize(ndr.conformance({}, {}));", last.name, minimum_size(*last.type.element), limit_of(last.type));
    else
        codec.get_conformance(last.type, "value." + last.name);
    out.line("}}\n");
}

void deferred(Text& out, const Structure& structure) {
    for (const bool put : {true, false}) {
        Codec codec = codec_of(out, structure.space, true);
        if (put)
            out.line("void ndr_put_deferred(idl::NdrWriter& ndr, const {}& value) {{", structure.name);
        else
            out.line("void ndr_get_deferred(idl::NdrReader& ndr, {}& value) {{", structure.name);
        for (const Member& member : structure.members) {
            if (!has_pointers(member.type)) continue;
            const bool opened = open_levels(out, member);
            if (put)
                codec.put_deferred(member.type, "value." + member.name);
            else
                codec.get_deferred(member.type, "value." + member.name);
            if (opened) out.line("}}");
        }
        codec.finish();
        out.line("}}\n");
    }
}

void encode_function(Text& out, const Structure& structure) {
    const Type type = type_of(structure);
    out.line("void encode(const {}& value, Buffer& out{}) {{", structure.name, structure.record ? ", idl::Level level" : "");
    out.line("idl::NdrWriter ndr(out, {});", structure.record ? "level" : "idl::newest_level");
    if (structure.record) {
        out.line("ATOLL_ASSERT(level >= idl::first_level);");
        out.line("uint16_t version = 1;");
        for (const uint32_t level : levels(structure)) {
            if (level > always) out.line("if (level >= {0}) version = {0};", level);
        }
        out.line("idl::put_record_header(ndr, version, {:#x});", record_tag(structure.name));
    }
    codec_of(out, structure.space, false).put_whole(type, "value");
    out.line("}}\n");
}

void decode_function(Text& out, const Structure& structure) {
    out.line("Result<void> decode(Bytes in, {}& value) {{", structure.name);
    out.line("idl::NdrReader ndr(in);");
    if (structure.record) {
        out.line("const auto version = idl::get_record_header(ndr, \"{0}\", {1}, {2:#x});", structure.name, structure.version,
                 record_tag(structure.name));
        out.line("if (!version) return version.failure();");
        out.line("ndr.set_level(*version);");
    }
    codec_of(out, structure.space, false).get_whole(type_of(structure), "value");
    out.line("return ndr.finish(\"{}\");", structure.name);
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

std::string tag_accessor(const Union& made) {
    return made.tag.kind == Kind::enumeration ? enum_accessor(*made.tag.enumeration) : accessor(made.tag.width);
}

std::string tag_cast(const Union& made) {
    return unsigned_type(made.tag.kind == Kind::enumeration ? made.tag.enumeration->width : made.tag.width);
}

// MS-RPCE 2.2.4.5 and 2.2.5.3.4.4: the selected arm is aligned as the largest of all is.
void align_arm(Text& out, const Union& made) {
    const size_t ndr = made.ms_union && made.encapsulated.empty() ? arms_alignment(made, false) : 1;
    const size_t ndr64 = arms_alignment(made, true);
    if (ndr64 > 1) out.line("ndr.align({}, {});", ndr, ndr64);
}

void put_arm(Text& out, const Union& made, const Arm& arm) {
    if (!arm.member) return out.line("ATOLL_ASSERT(value.value.index() == 0);");
    const Type& type = arm.member->type;
    // What points somewhere must have been made; a null pointer and plain values are written for an arm that was not.
    if (has_pointers(type) && !type.may_be_null()) return codec_of(out, made.space, false).put(type, "value." + arm.member->name + "()");
    out.line("static const {} none{{}};", cpp_type(type, made.space));
    out.line("const auto& arm = !ndr.strict() && value.value.index() == 0 ? none : value.{}();", arm.member->name);
    codec_of(out, made.space, false).put(type, "arm");
}

void put_union(Text& out, const Union& made) {
    const bool inside = !made.encapsulated.empty();
    out.line("void ndr_put(idl::NdrWriter& ndr, const {}& value{}) {{", made.name, inside ? "" : ", int64_t tag");
    if (inside) out.line("const auto tag = static_cast<int64_t>(idl::number(value.{}));", made.encapsulated);
    if (alignment(type_of(made), true) > 1)
        out.line("ndr.align({}, {});", inside ? alignment(type_of(made)) : 1, alignment(type_of(made), true));
    out.line("ndr.{}(static_cast<{}>(tag));", tag_accessor(made), tag_cast(made));
    align_arm(out, made);
    out.line("switch (tag) {{");
    for (const Arm& arm : made.arms) {
        out.line("{}{{", case_labels(arm));
        put_arm(out, made, arm);
        out.line("break;");
        out.line("}}");
    }
    if (!has_default(made))
        out.line("default: ATOLL_ASSERT(!ndr.strict() && value.value.index() == 0 && \"the discriminant has no arm\");");
    out.line("}}");
    out.line("}}\n");
}

void get_tag(Text& out, const Union& made) {
    if (made.encapsulated.empty()) {
        out.line("if (ndr.{}() != static_cast<{}>(tag)) ndr.fail(\"a union's discriminant differs from its member\");", tag_accessor(made),
                 tag_cast(made));
        return out.line("if (!ndr.ok()) return;");
    }
    codec_of(out, made.space, false).get(made.tag, "value." + made.encapsulated);
    out.line("if (!ndr.ok()) return;");
    out.line("const auto tag = static_cast<int64_t>(idl::number(value.{}));", made.encapsulated);
}

void get_union(Text& out, const Union& made) {
    const bool inside = !made.encapsulated.empty();
    out.line("void ndr_get(idl::NdrReader& ndr, {}& value{}) {{", made.name, inside ? "" : ", int64_t tag");
    if (alignment(type_of(made), true) > 1)
        out.line("ndr.align({}, {});", inside ? alignment(type_of(made)) : 1, alignment(type_of(made), true));
    get_tag(out, made);
    align_arm(out, made);
    out.line("switch (tag) {{");
    for (const Arm& arm : made.arms) {
        out.line("{}{{", case_labels(arm));
        if (arm.member) {
            out.line("[[maybe_unused]] auto& arm = value.make_{}();", arm.member->name);
            codec_of(out, made.space, false).get(arm.member->type, "arm");
        } else {
            out.line("value.clear();");
        }
        out.line("break;");
        out.line("}}");
    }
    if (!has_default(made)) {
        out.line("default: {{");
        out.line("ndr.fail_if_strict(\"{}: the discriminant has no arm\");", made.name);
        out.line("value.clear();");
        out.line("}}");
    }
    out.line("}}");
    out.line("}}\n");
}

void deferred_union(Text& out, const Union& made) {
    for (const bool put : {true, false}) {
        Codec codec = codec_of(out, made.space, false);
        if (put)
            out.line("void ndr_put_deferred(idl::NdrWriter& ndr, const {}& value) {{", made.name);
        else
            out.line("void ndr_get_deferred(idl::NdrReader& ndr, {}& value) {{", made.name);
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

void put_count(Text& out, const Member& member, const Codec::Resolve& resolve) {
    std::string counted;
    for (const std::string& name : member.counts) counted += (counted.empty() ? "" : ", ") + resolve(name);
    const std::string size = out.fresh("size");
    out.line("const size_t {} = idl::common_size({});", size, counted);
    if (member.type.width < 8) out.line("ATOLL_ASSERT({} <= UINT{}_MAX);", size, member.type.width * 8);
    out.line("ndr.{}(static_cast<{}>({}));", member.type.native ? "native" : accessor(member.type.width), unsigned_type(member.type.width),
             size);
}

void get_count(Text& out, const Member& member) {
    out.line("const uint64_t count_of_{} = ndr.{}();", member.name, member.type.native ? "native" : accessor(member.type.width));
}

void generate_codec(Text& out, const Structure& structure, const std::string&) {
    put_structure(out, structure);
    get_structure(out, structure);
    if (is_conformant(type_of(structure))) conformance(out, structure);
    if (has_pointers(type_of(structure))) deferred(out, structure);
    encode_function(out, structure);
    decode_function(out, structure);
}

void generate_codec(Text& out, const Union& made, const std::string&) {
    put_union(out, made);
    get_union(out, made);
    if (has_pointers(type_of(made))) deferred_union(out, made);
}

}  // namespace Atoll::idlc
