// Random values that encode: for round trips and for the seeds of fuzzers.
#include <algorithm>

#include "idl/compiler/cpp_names.h"
#include "idl/compiler/generate.h"

namespace Atoll::idlc {

namespace {

void fill_integer(Text& out, const Type& type, const std::string& e, const std::string& space) {
    if (!type.range) return out.line("{} = static_cast<{}>(random.u64());", e, cpp_type(type, space));
    const auto [lowest, highest] = *type.range;
    out.line("{} = static_cast<{}>({} + static_cast<int64_t>(random.below({})));", e, cpp_type(type, space), lowest, highest - lowest + 1);
}

void fill_enumeration(Text& out, const Type& type, const std::string& e, const std::string& space) {
    const std::string name = cpp_type(type, space);
    std::string all;
    for (const Enumerator& one : type.enumeration->enumerators) all += fmt::format("{}{}::{}", all.empty() ? "" : ", ", name, one.name);
    const std::string table = out.fresh("values");
    out.line("static constexpr {} {}[] = {{{}}};", name, table, all);
    out.line("{} = {}[random.below(std::size({}))];", e, table, table);
}

// An array has as many elements as its counter or its expressions say.
void fill_array(Text& out, const Type& type, const std::string& e, const std::string& space, const std::string& count,
                const Codec::Resolve& resolve) {
    std::string size = count.empty() ? fmt::format("random.count({})", limit_of(type)) : count;
    const ExpressionPtr& says = type.varying ? type.length : type.size;
    if (type.counter.empty() && says) size = fmt::format("std::min<size_t>({}, {})", to_cpp(*says, resolve), limit_of(type));
    if (type.kind == Kind::sequence || type.conformant || type.varying) out.line("{}.resize({});", e, size);
    const std::string item = out.fresh("item");
    out.line("for (auto& {} : {}) {{", item, e);
    fill_value(out, *type.element, item, space, "", resolve);
    out.line("}}");
}

void fill_optional(Text& out, const Type& type, const std::string& e, const std::string& space, const std::string& count,
                   const Codec::Resolve& resolve) {
    // A null pointer counts nothing.
    out.line("{}.reset();", e);
    out.line("if ({}) {{", count.empty() ? "random.boolean()" : count + " != 0");
    const std::string made = out.fresh("made");
    out.line("auto& {} = {}.emplace();", made, e);
    fill_value(out, *type.element, made, space, count, resolve);
    out.line("}}");
}

}  // namespace

void fill_value(Text& out, const Type& type, const std::string& e, const std::string& space, const std::string& count,
                const Codec::Resolve& resolve) {
    switch (type.kind) {
        case Kind::nothing:
        case Kind::binding: return;
        case Kind::integer: return fill_integer(out, type, e, space);
        case Kind::enumeration: return fill_enumeration(out, type, e, space);
        case Kind::boolean: return out.line("{} = random.boolean();", e);
        case Kind::guid: return out.line("{} = random.guid();", e);
        case Kind::sid: return out.line("{} = random.sid();", e);
        case Kind::nttime:
        case Kind::filetime: return out.line("{}.ticks = random.u64();", e);
        case Kind::context_handle:
            out.line("{}.attributes = static_cast<uint32_t>(random.u64());", e);
            return out.line("{}.uuid = random.guid();", e);
        case Kind::utf8: return out.line("random.utf8({}, {});", e, limit_of(type));
        case Kind::string: return out.line("random.{}({}, {} - 1);", type.width == 2 ? "utf8" : "path", e, limit_of(type));
        case Kind::path: return out.line("random.path({}, {});", e, limit_of(type));
        case Kind::blob: return out.line("random.blob({}, {});", e, limit_of(type));
        case Kind::structure: return out.line("arbitrary(random, {});", e);
        case Kind::union_type:
            if (!type.switch_is) return out.line("arbitrary(random, {});", e);
            return out.line("arbitrary(random, {}, static_cast<int64_t>({}));", e, to_cpp(*type.switch_is, resolve));
        case Kind::subcontext: return fill_value(out, *type.element, e, space, count, resolve);
        case Kind::sequence:
        case Kind::array: return fill_array(out, type, e, space, count, resolve);
        case Kind::optional: return fill_optional(out, type, e, space, count, resolve);
        case Kind::pointer:
            if (type.may_be_null()) return fill_optional(out, type, e, space, count, resolve);
            return fill_value(out, *type.element, e, space, count, resolve);
    }
}

// The values of a discriminant that have an arm in one of the unions that it selects; empty if it selects none.
static std::vector<int64_t> cases_of(const std::vector<Member>& members, const std::string& tag) {
    std::vector<int64_t> cases;
    for (const Member& member : members) {
        const Type* type = &member.type;
        while (type->element) type = type->element.get();
        if (!type->switch_is || names_of(*type->switch_is).count(tag) == 0) continue;
        for (const Arm& arm : type->union_type->arms) cases.insert(cases.end(), arm.cases.begin(), arm.cases.end());
    }
    return cases;
}

// What controls sizes is small, and such that what is computed from it is neither negative nor large.
static void fill_control(Text& out, const std::vector<Member>& members, const Member& member, const std::string& e,
                         const std::string& space) {
    const Type* type = &member.type;
    std::string target = e;
    for (; type->kind == Kind::pointer; type = type->element.get()) {
        if (!type->may_be_null()) continue;
        out.line("{}.emplace();", target);
        target = "(*" + target + ")";
    }
    const std::vector<int64_t> cases = cases_of(members, member.name);
    std::string value = "8 + random.below(7)";
    if (type->range) value = fmt::format("std::min<uint64_t>({}, {})", value, std::max<int64_t>(type->range->second, 0));
    if (!cases.empty()) {
        std::string all;
        for (const int64_t one : cases) all += fmt::format("{}{}", all.empty() ? "" : ", ", one);
        const std::string table = out.fresh("cases");
        out.line("static constexpr int64_t {}[] = {{{}}};", table, all);
        value = fmt::format("{0}[random.below(std::size({0}))]", table);
    }
    out.line("{} = static_cast<{}>({});", target, cpp_type(*type, space), value);
}

void fill_members(Text& out, const std::vector<Member>& members, const std::string& space, const Codec::Resolve& resolve,
                  const std::function<bool(const Member&)>& wanted) {
    for (const Member& member : members) {
        if (!wanted(member)) continue;
        if (!member.counts.empty()) {
            const uint64_t most = member.type.range ? static_cast<uint64_t>(std::max<int64_t>(member.type.range->second, 0)) : 5;
            out.line("const size_t count_of_{} = random.count({});", member.name, most);
        } else if (member.controls) {
            fill_control(out, members, member, resolve(member.name), space);
        }
    }
    for (const Member& member : members) {
        if (!wanted(member) || !member.counts.empty() || member.controls) continue;
        const Type& array = member.type.kind == Kind::pointer ? *member.type.element : member.type;
        fill_value(out, member.type, resolve(member.name), space, array.counter.empty() ? "" : "count_of_" + array.counter, resolve);
    }
}

void generate_arbitrary(Text& out, const Structure& made, const std::string& space) {
    out.line("void arbitrary([[maybe_unused]] idl::Arbitrary& random, [[maybe_unused]] {}& value) {{", made.name);
    fill_members(
        out, made.members, space, [](const std::string& name) { return "value." + name; }, [](const Member&) { return true; });
    out.line("}}\n");
}

void generate_arbitrary(Text& out, const Union& made, const std::string& space) {
    const bool inside = !made.encapsulated.empty();
    const Codec::Resolve resolve = [](const std::string& name) { return "value." + name; };
    out.line("void arbitrary([[maybe_unused]] idl::Arbitrary& random, {}& value{}) {{", made.name, inside ? "" : ", int64_t tag");
    if (inside) {
        Member tag;
        tag.name = made.encapsulated;
        tag.type = made.tag;
        Member arms;
        arms.type.kind = Kind::union_type;
        arms.type.union_type = std::shared_ptr<const Union>(&made, [](const Union*) {});
        arms.type.switch_is = std::make_shared<Expression>(Expression{Expression::Kind::name, 0, tag.name, {}});
        fill_control(out, {arms}, tag, "value." + tag.name, space);
        out.line("const auto tag = static_cast<int64_t>(idl::number(value.{}));", tag.name);
    }
    out.line("switch (tag) {{");
    bool has_default = false;
    for (const Arm& arm : made.arms) {
        std::string labels;
        for (const int64_t value : arm.cases) labels += fmt::format("case {}: ", value);
        if (arm.is_default) labels += "default: ";
        has_default = has_default || arm.is_default;
        out.line("{}{{", labels);
        if (arm.member) {
            out.line("[[maybe_unused]] auto& arm = value.make_{}();", arm.member->name);
            fill_value(out, arm.member->type, "arm", space, "", resolve);
        } else {
            out.line("value.clear();");
        }
        out.line("break;");
        out.line("}}");
    }
    if (!has_default) out.line("default: value.clear();");
    out.line("}}");
    out.line("}}\n");
}

}  // namespace Atoll::idlc
