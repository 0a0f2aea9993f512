#include "idl/compiler/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace Atoll::idlc {

namespace {

Failure<Error> bad(std::string text) { return fail(Code::invalid, "", std::move(text)); }

bool is_keyword(const std::string& name) {
    static const std::set<std::string> words = {
        "and",     "auto",     "bool",     "break",    "case",    "catch",     "char",     "class",    "const",   "continue",
        "default", "delete",   "do",       "double",   "else",    "enum",      "explicit", "export",   "extern",  "false",
        "float",   "for",      "friend",   "goto",     "if",      "inline",    "int",      "long",     "mutable", "namespace",
        "new",     "not",      "operator", "or",       "private", "protected", "public",   "register", "return",  "short",
        "signed",  "sizeof",   "static",   "struct",   "switch",  "template",  "this",     "throw",    "true",    "try",
        "typedef", "typename", "union",    "unsigned", "using",   "virtual",   "void",     "volatile", "while",   "xor"};
    return words.count(name) != 0;
}

template <class Items, class Key>
bool has_duplicates(const Items& items, Key key) {
    std::set<std::decay_t<decltype(key(*items.begin()))>> seen;
    return std::any_of(items.begin(), items.end(), [&](const auto& item) { return !seen.insert(key(item)).second; });
}

const Type* leaf_of(const Type& type) {
    const Type* leaf = &type;
    while (leaf->element) leaf = leaf->element.get();
    return leaf;
}

// What may be an element of an array, behind a pointer, ...
Result<void> check_inner(const Member& member, const Type& outer, const Type& inner) {
    if (inner.kind == Kind::nothing) return bad(fmt::format("'{}': void* is for [context_handle] alone", member.name));
    if (inner.kind == Kind::binding) return bad(fmt::format("'{}': handle_t is for parameters alone", member.name));
    const bool pointer = outer.kind == Kind::pointer;
    if (inner.kind == Kind::union_type && !pointer && inner.union_type->encapsulated.empty() && !inner.switch_is)
        return bad(fmt::format("'{}': a union stands in a structure beside its discriminant", member.name));
    if (inner.kind == Kind::union_type && pointer && inner.union_type->encapsulated.empty() && !inner.switch_is)
        return bad(fmt::format("'{}': switch_is is missing: it names the union's discriminant", member.name));
    if (is_conformant(inner) && !pointer && outer.kind != Kind::subcontext)
        return bad(fmt::format("'{}': a conformant structure cannot be an element", member.name));
    if (inner.kind == Kind::string && inner.conformant && !pointer)
        return bad(fmt::format("'{}': a string of any length stands behind a pointer", member.name));
    return {};
}

Result<void> check_array(const Member& member, const Type& type) {
    const bool ours = type.kind == Kind::sequence;
    if (type.kind != Kind::array && !ours) return {};
    if (minimum_size(*type.element) == 0)
        return bad(fmt::format("'{}': elements may be empty, so that nothing bounds their count", member.name));
    if ((ours || type.conformant || type.varying) && type.element->kind == Kind::boolean)
        return bad(fmt::format("'{}': use bytes, not booleans", member.name));
    if (type.conformant && !type.size && type.counter.empty())
        return bad(fmt::format("'{}': size_is is missing: it says how many [] holds", member.name));
    return {};
}

Result<void> check_type(const Member& member) {
    const Type& type = member.type;
    if (type.kind == Kind::nothing || type.kind == Kind::binding) return check_inner(member, type, type);
    for (const Type* one = &type; one != nullptr; one = one->element.get()) {
        if (auto r = check_array(member, *one); !r) return r;
        if (one->element) {
            if (auto r = check_inner(member, *one, *one->element); !r) return r;
        }
    }
    return {};
}

Result<void> check_levels(const Member& member) {
    if (member.since < always || member.since >= member.until)
        return bad(fmt::format("'{}': since and until contradict each other", member.name));
    if (member.default_value && member.type.kind != Kind::integer && member.type.kind != Kind::boolean)
        return bad(fmt::format("'{}': default is for integers and booleans", member.name));
    if (!member.counts.empty() && (member.since != always || member.until != never))
        return bad(fmt::format("'{}' counts others and cannot come or go by itself", member.name));
    return {};
}

Result<void> check_member(const Structure& structure, size_t index) {
    const Member& member = structure.members[index];
    if (is_keyword(member.name)) return bad(fmt::format("'{}' is a word of C++", member.name));
    if (auto r = check_type(member); !r) return r;
    if (member.type.kind == Kind::union_type && member.type.union_type->encapsulated.empty() && !member.type.switch_is)
        return bad(fmt::format("'{}': switch_is is missing: it names the union's discriminant", member.name));
    if (member.type.kind == Kind::context_handle) return bad(fmt::format("'{}': a context handle is a parameter", member.name));
    const bool last = index + 1 == structure.members.size();
    const bool conformant = (member.type.kind == Kind::array || member.type.kind == Kind::string) && member.type.conformant;
    if ((conformant || is_conformant(member.type)) && !last) return bad(fmt::format("'{}': a conformant array comes last", member.name));
    if (member.type.kind == Kind::string && member.type.conformant)
        return bad(fmt::format("'{}': a string of any length stands behind a pointer", member.name));
    return check_levels(member);
}

bool has_expressions(const Type& type) {
    return type.size || type.length || type.first || (type.element && has_expressions(*type.element));
}

void collect_levels(const Type& type, std::set<uint32_t>& out) {
    const Type* leaf = leaf_of(type);
    if (leaf->kind == Kind::structure) out.merge(levels(*leaf->structure));
    if (leaf->kind != Kind::union_type) return;
    for (const Arm& arm : leaf->union_type->arms) {
        if (arm.member) collect_levels(arm.member->type, out);
    }
}

}  // namespace

Result<void> check(const Function& made) {
    if (is_keyword(made.name)) return bad(fmt::format("'{}' is a word of C++", made.name));
    if (has_duplicates(made.parameters, [](const Member& m) { return m.name; }))
        return bad(fmt::format("function '{}' names one parameter twice", made.name));
    if (made.result.kind == Kind::pointer || made.result.kind == Kind::structure || made.result.kind == Kind::union_type)
        return bad(fmt::format("function '{}' returns no plain value: make it an [out] parameter", made.name));
    for (const Member& parameter : made.parameters) {
        if (is_keyword(parameter.name)) return bad(fmt::format("'{}' is a word of C++", parameter.name));
        if (parameter.name == "result") return bad("'result' is the name of what a function returns: name the parameter otherwise");
        if (auto r = check_type(parameter); !r) return r;
        if (parameter.type.kind == Kind::union_type && parameter.type.union_type->encapsulated.empty() && !parameter.type.switch_is)
            return bad(fmt::format("'{}': switch_is is missing: it names the union's discriminant", parameter.name));
    }
    return {};
}

Result<void> check(const Enumeration& enumeration) {
    const auto& enumerators = enumeration.enumerators;
    if (enumerators.empty()) return bad(fmt::format("enum '{}' has no enumerators", enumeration.name));
    if (enumeration.width != 1 && enumeration.width != 2 && enumeration.width != 4 && enumeration.width != 8)
        return bad("an enum is 8, 16, 32 or 64 bits wide");
    if (has_duplicates(enumerators, [](const Enumerator& e) { return e.name; }))
        return bad(fmt::format("enum '{}' names one enumerator twice", enumeration.name));
    for (const Enumerator& e : enumerators) {
        if (is_keyword(e.name)) return bad(fmt::format("'{}' is a word of C++", e.name));
        if (enumeration.width < 8 && (e.value < 0 || e.value >> (enumeration.width * 8) != 0))
            return bad(fmt::format("'{}' does not fit the enum", e.name));
        if (enumeration.flags && e.value == 0) return bad(fmt::format("'{}': a flag is a bit or several", e.name));
    }
    return {};
}

Result<void> check(const Structure& structure) {
    if (has_duplicates(structure.members, [](const Member& m) { return m.name; }))
        return bad(fmt::format("struct '{}' names one member twice", structure.name));
    for (size_t i = 0; i < structure.members.size(); i++) {
        if (auto r = check_member(structure, i); !r) return r;
    }
    if (!structure.record) return {};
    const std::set<uint32_t> all = levels(structure);
    if (structure.version > UINT16_MAX) return bad(fmt::format("record '{}': versions are 16 bits", structure.name));
    if (*all.rbegin() != structure.version)
        return bad(
            fmt::format("record '{}' says version({}), but its members make it {}", structure.name, structure.version, *all.rbegin()));
    return {};
}

Result<void> check(const Union& made) {
    std::vector<int64_t> cases;
    std::vector<std::string> names;
    for (const Arm& arm : made.arms) {
        if (arm.cases.empty() && !arm.is_default) return bad(fmt::format("union '{}' has an arm with neither case nor default", made.name));
        cases.insert(cases.end(), arm.cases.begin(), arm.cases.end());
        if (!arm.member) continue;
        names.push_back(arm.member->name);
        if (is_keyword(arm.member->name)) return bad(fmt::format("'{}' is a word of C++", arm.member->name));
        const Type& type = arm.member->type;
        const bool refers = leaf_of(type)->switch_is != nullptr || has_expressions(type);
        if (refers || is_conformant(type) || (type.kind == Kind::array && type.conformant))
            return bad(fmt::format("'{}': an arm is a plain type, a pointer or a struct: put what has size_is or switch_is into a struct",
                                   arm.member->name));
        if (auto r = check_type(*arm.member); !r) return r;
    }
    if (cases.empty()) return bad(fmt::format("union '{}' has no case", made.name));
    if (has_duplicates(cases, [](int64_t v) { return v; }) || has_duplicates(names, [](const std::string& n) { return n; }))
        return bad(fmt::format("union '{}' has one case or arm twice", made.name));
    if (std::count_if(made.arms.begin(), made.arms.end(), [](const Arm& a) { return a.is_default; }) > 1)
        return bad(fmt::format("union '{}' has two defaults", made.name));
    return {};
}

size_t arms_alignment(const Union& made, bool ndr64) {
    size_t most = 1;
    for (const Arm& arm : made.arms) {
        if (arm.member) most = std::max(most, alignment(arm.member->type, ndr64));
    }
    return most;
}

size_t alignment(const Type& type, bool ndr64) {
    const size_t word = ndr64 ? 8 : 4;
    switch (type.kind) {
        case Kind::integer: return type.native ? word : type.width;
        case Kind::boolean:
        case Kind::optional: return 1;
        case Kind::enumeration: return ndr64 && type.enumeration->wide_in_64 ? 4 : type.enumeration->width;
        case Kind::nttime: return 8;
        case Kind::array: return std::max(alignment(*type.element, ndr64), type.varying ? word : 1);
        case Kind::subcontext: return type.width;
        case Kind::string: return word;
        case Kind::pointer: return type.pointer == Pointer::relative ? 4 : word;
        case Kind::structure: {
            // Only members of the first level: one that came later must not move what an older program wrote.
            size_t most = 1;
            for (const Member& member : type.structure->members) {
                if (member.since == always) most = std::max(most, alignment(member.type, ndr64));
            }
            return most;
        }
        case Kind::union_type: return std::max(alignment(type.union_type->tag, ndr64), arms_alignment(*type.union_type, ndr64));
        default: return 4;
    }
}

size_t minimum_size(const Type& type) {
    switch (type.kind) {
        case Kind::nothing:
        case Kind::binding: return 0;
        case Kind::integer: return type.native ? 4 : type.width;
        case Kind::boolean:
        case Kind::optional: return 1;
        case Kind::enumeration: return type.enumeration->width;
        case Kind::guid: return 16;
        case Kind::context_handle: return 20;
        case Kind::sid:
        case Kind::nttime:
        case Kind::filetime:
        case Kind::string: return 8;
        case Kind::array: return type.varying ? 8 : type.conformant ? 0 : type.limit * minimum_size(*type.element);
        case Kind::subcontext: return type.width;
        case Kind::union_type: return minimum_size(type.union_type->tag);
        case Kind::structure: {
            size_t sum = 0;
            for (const Member& member : type.structure->members) {
                if (member.since == always && member.until == never) sum += minimum_size(member.type);
            }
            return sum;
        }
        default: return 4;
    }
}

bool has_pointers(const Type& type) {
    switch (type.kind) {
        case Kind::pointer: return true;
        case Kind::sequence:
        case Kind::optional:
        case Kind::array: return has_pointers(*type.element);
        case Kind::structure:
            return std::any_of(type.structure->members.begin(), type.structure->members.end(),
                               [](const Member& m) { return has_pointers(m.type); });
        case Kind::union_type:
            return std::any_of(type.union_type->arms.begin(), type.union_type->arms.end(),
                               [](const Arm& a) { return a.member && has_pointers(a.member->type); });
        default: return false;
    }
}

bool is_conformant(const Type& type) {
    if (type.kind != Kind::structure || type.structure->members.empty()) return false;
    const Type& last = type.structure->members.back().type;
    return (last.kind == Kind::array && last.conformant) || is_conformant(last);
}

std::set<uint32_t> levels(const Structure& structure) {
    std::set<uint32_t> all = {always};
    for (const Member& member : structure.members) {
        all.insert(member.since);
        if (member.until != never) all.insert(member.until);
        collect_levels(member.type, all);
    }
    return all;
}

}  // namespace Atoll::idlc
