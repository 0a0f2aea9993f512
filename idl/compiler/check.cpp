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

Result<void> check_type(const Member& member) {
    const Type& type = member.type;
    if (type.element && type.kind != Kind::pointer && minimum_size(*type.element) == 0)
        return bad(fmt::format("'{}': elements may be empty, so that nothing bounds their count", member.name));
    if ((type.kind == Kind::sequence || type.kind == Kind::sized_pointer || type.kind == Kind::conformant) &&
        type.element->kind == Kind::boolean) {
        return bad(fmt::format("'{}': use bytes, not booleans", member.name));
    }
    for (const Type* inner = type.element.get(); inner != nullptr; inner = inner->element.get()) {
        if (inner->kind == Kind::union_type)
            return bad(fmt::format("'{}': a union stands in a structure beside its discriminant", member.name));
        if (is_conformant(*inner) && type.kind != Kind::pointer)
            return bad(fmt::format("'{}': a conformant structure cannot be an element", member.name));
    }
    if (type.kind == Kind::array && type.limit == 0) return bad(fmt::format("'{}': an array of nothing", member.name));
    return {};
}

Result<void> check_member(const Structure& structure, size_t index) {
    const Member& member = structure.members[index];
    const auto earlier = [&](const std::string& name) -> const Member* {
        for (size_t i = 0; i < index; i++) {
            if (structure.members[i].name == name) return &structure.members[i];
        }
        return nullptr;
    };
    if (is_keyword(member.name)) return bad(fmt::format("'{}' is a word of C++", member.name));
    if (auto r = check_type(member); !r) return r;
    const bool sized = member.type.kind == Kind::sized_pointer || member.type.kind == Kind::conformant;
    if (sized == member.size_is.empty()) return bad(fmt::format("'{}': size_is belongs to a pointer or to []", member.name));
    if (sized && (earlier(member.size_is) == nullptr || earlier(member.size_is)->type.kind != Kind::integer)) {
        return bad(fmt::format("'{}': size_is names no integer before it", member.name));
    }
    const bool selects = member.type.kind == Kind::union_type;
    if (selects == member.switch_is.empty()) return bad(fmt::format("'{}': switch_is belongs to a union", member.name));
    if (selects) {
        const Member* tag = earlier(member.switch_is);
        const Kind kind = tag == nullptr ? Kind::blob : tag->type.kind;
        if ((kind != Kind::integer && kind != Kind::enumeration) || !tag->counts.empty())
            return bad(fmt::format("'{}': switch_is names no integer or enum before it", member.name));
    }
    const bool last = index + 1 == structure.members.size();
    if ((member.type.kind == Kind::conformant || is_conformant(member.type)) && !last)
        return bad(fmt::format("'{}': a conformant array comes last", member.name));
    if (member.since < always || member.since >= member.until)
        return bad(fmt::format("'{}': since and until contradict each other", member.name));
    if (member.default_value && member.type.kind != Kind::integer && member.type.kind != Kind::boolean)
        return bad(fmt::format("'{}': default is for integers and booleans", member.name));
    if (!member.counts.empty() && (member.since != always || member.until != never))
        return bad(fmt::format("'{}' counts others and cannot come or go by itself", member.name));
    return {};
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

Result<void> check(const Enumeration& enumeration) {
    const auto& enumerators = enumeration.enumerators;
    if (enumerators.empty()) return bad(fmt::format("enum '{}' has no enumerators", enumeration.name));
    if (enumeration.width != 1 && enumeration.width != 2 && enumeration.width != 4 && enumeration.width != 8)
        return bad("an enum is 8, 16, 32 or 64 bits wide");
    if (has_duplicates(enumerators, [](const Enumerator& e) { return e.name; }))
        return bad(fmt::format("enum '{}' names one enumerator twice", enumeration.name));
    if (has_duplicates(enumerators, [](const Enumerator& e) { return e.value; }))
        return bad(fmt::format("enum '{}' has one value twice", enumeration.name));
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
        if (!arm.member->size_is.empty() || !arm.member->switch_is.empty() || arm.member->type.kind == Kind::conformant ||
            arm.member->type.kind == Kind::union_type) {
            return bad(fmt::format("'{}': an arm is a plain type or a struct", arm.member->name));
        }
        if (auto r = check_type(*arm.member); !r) return r;
    }
    if (cases.empty()) return bad(fmt::format("union '{}' has no case", made.name));
    if (has_duplicates(cases, [](int64_t v) { return v; }) || has_duplicates(names, [](const std::string& n) { return n; }))
        return bad(fmt::format("union '{}' has one case or arm twice", made.name));
    if (std::count_if(made.arms.begin(), made.arms.end(), [](const Arm& a) { return a.is_default; }) > 1)
        return bad(fmt::format("union '{}' has two defaults", made.name));
    return {};
}

size_t alignment(const Type& type) {
    switch (type.kind) {
        case Kind::integer: return type.width;
        case Kind::boolean: return 1;
        case Kind::enumeration: return type.enumeration->width;
        case Kind::nttime: return 8;
        case Kind::optional: return 1;
        case Kind::array:
        case Kind::conformant: return alignment(*type.element);
        case Kind::structure: {
            // Only members of the first level: one that came later must not move what an older program wrote.
            size_t most = 1;
            for (const Member& member : type.structure->members) {
                if (member.since == always) most = std::max(most, alignment(member.type));
            }
            return most;
        }
        case Kind::union_type: {
            size_t most = alignment(type.union_type->tag);
            for (const Arm& arm : type.union_type->arms) {
                if (arm.member) most = std::max(most, alignment(arm.member->type));
            }
            return most;
        }
        default: return 4;
    }
}

size_t minimum_size(const Type& type) {
    switch (type.kind) {
        case Kind::integer: return type.width;
        case Kind::boolean:
        case Kind::optional: return 1;
        case Kind::enumeration: return type.enumeration->width;
        case Kind::guid: return 16;
        case Kind::sid:
        case Kind::nttime:
        case Kind::filetime: return 8;
        case Kind::array: return type.limit * minimum_size(*type.element);
        case Kind::conformant: return 0;
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
        case Kind::pointer:
        case Kind::sized_pointer:
        case Kind::string_pointer: return true;
        case Kind::sequence:
        case Kind::optional:
        case Kind::array:
        case Kind::conformant: return has_pointers(*type.element);
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
    return last.kind == Kind::conformant || is_conformant(last);
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
