#include "idl/compiler/declarator.h"

#include <fmt/format.h>

#include <algorithm>

namespace Atoll::idlc {

namespace {

Failure<Error> bad(std::string text) { return fail(Code::invalid, "", std::move(text)); }

std::shared_ptr<const Type> shared(Type type) { return std::make_shared<const Type>(std::move(type)); }

Result<Type> make_string(Type type, unsigned charset_width) {
    if (type.kind == Kind::string) return type;
    if (!type.element) return bad("[string] belongs to a pointer to, or an array of, wchar_t or char");
    const bool units = type.element->kind == Kind::integer && (type.element->character || type.element->width == charset_width);
    if (!units) {
        auto inner = make_string(*type.element, charset_width);
        if (!inner) return inner;
        type.element = shared(std::move(*inner));
        return type;
    }
    Type string;
    string.kind = Kind::string;
    string.width = type.element->width;
    string.varying = true;
    string.conformant = type.kind == Kind::pointer || type.conformant;
    string.limit = string.conformant ? 0 : type.limit;
    if (type.kind != Kind::pointer) return string;
    type.element = shared(std::move(string));
    return type;
}

Expression minus_first_plus_one(const Expression& last, const ExpressionPtr& first) {
    Expression sum{Expression::Kind::binary, 0, "+", {last, {Expression::Kind::number, 1, "", {}}}};
    if (!first) return sum;
    return {Expression::Kind::binary, 0, "-", {std::move(sum), *first}};
}

ExpressionPtr at(const std::vector<ExpressionPtr>& list, size_t level) { return level < list.size() ? list[level] : nullptr; }

ExpressionPtr size_at(const Dimensions& dimensions, size_t level) {
    if (const auto max = at(dimensions.max, level)) return std::make_shared<Expression>(minus_first_plus_one(*max, nullptr));
    return at(dimensions.size, level);
}

ExpressionPtr length_at(const Dimensions& dimensions, size_t level) {
    if (const auto last = at(dimensions.last, level))
        return std::make_shared<Expression>(minus_first_plus_one(*last, at(dimensions.first, level)));
    return at(dimensions.length, level);
}

Result<Type> apply_dimension(Type type, const Dimensions& dimensions, size_t level) {
    const ExpressionPtr size = size_at(dimensions, level);
    const ExpressionPtr length = length_at(dimensions, level);
    const ExpressionPtr first = at(dimensions.first, level);
    if (!size && !length && !first) return type;
    if (type.kind == Kind::pointer && type.element->kind != Kind::string && size) {
        Type array;
        array.kind = Kind::array;
        array.conformant = true;
        array.element = type.element;
        type.element = shared(std::move(array));
        auto sized = apply_dimension(*type.element, dimensions, level);
        if (!sized) return sized;
        type.element = shared(std::move(*sized));
        return type;
    }
    if (type.kind != Kind::array)
        return bad("size_is and its like belong to pointers and arrays (length_is wants size_is beside it on a pointer)");
    if (size && !type.conformant) return bad("size_is belongs to a pointer or to []: this array says its size itself");
    if (first && !length) return bad("first_is wants length_is or last_is beside it");
    if (size) type.size = size;
    type.varying = length != nullptr;
    type.length = length;
    type.first = first;
    return type;
}

Result<Type> apply_dimensions(Type type, const Dimensions& dimensions, size_t level, size_t levels) {
    if (level == levels) return type;
    // The inner levels first: what a pointer points to becomes an array, which is no level of its own.
    if (level + 1 < levels) {
        if (!type.element || (type.kind != Kind::pointer && type.kind != Kind::array))
            return bad("size_is has more places than there are pointers");
        auto inner = apply_dimensions(*type.element, dimensions, level + 1, levels);
        if (!inner) return inner;
        type.element = shared(std::move(*inner));
    }
    return apply_dimension(std::move(type), dimensions, level);
}

Result<Type> apply_range(Type type, const std::pair<int64_t, int64_t>& range) {
    if (type.kind == Kind::integer || type.kind == Kind::enumeration) {
        type.range = range;
        return type;
    }
    if (type.kind == Kind::string || (type.kind == Kind::array && type.conformant)) {
        type.limit = static_cast<uint64_t>(std::max<int64_t>(range.second, 1));
        return type;
    }
    if (type.kind != Kind::pointer) return bad("range belongs to integers, and to what size_is and string count");
    auto inner = apply_range(*type.element, range);
    if (!inner) return inner;
    type.element = shared(std::move(*inner));
    return type;
}

Result<Type> apply_switch(Type type, const ExpressionPtr& e) {
    if (type.kind == Kind::union_type) {
        type.switch_is = e;
        return type;
    }
    if (!type.element) return bad("switch_is belongs to a union");
    auto inner = apply_switch(*type.element, e);
    if (!inner) return inner;
    type.element = shared(std::move(*inner));
    return type;
}

Result<Type> apply_pointer(Type type, const Attributes& all) {
    static const std::map<std::string, Pointer> said = {
        {"unique", Pointer::unique}, {"ref", Pointer::ref}, {"ptr", Pointer::full}, {"relative", Pointer::relative}};
    for (const auto& [name, pointer] : said) {
        if (all.count(name) == 0) continue;
        if (type.kind != Kind::pointer) return bad(fmt::format("[{}] belongs to a pointer", name));
        type.pointer = pointer;
        type.pointer_said = true;
    }
    return type;
}

// The arrays in a member's type, and whether one is the member itself or what it points to.
template <class Visit>
void each_array(const Type& type, bool direct, Visit visit) {
    if (type.kind == Kind::array) visit(type, direct);
    if (type.element) each_array(*type.element, direct && type.kind == Kind::pointer, visit);
}

bool is_name(const ExpressionPtr& e, const std::string& name) { return e && e->kind == Expression::Kind::name && e->text == name; }

bool names(const ExpressionPtr& e, const std::string& name) { return e && names_of(*e).count(name) != 0; }

const Expression* switch_of(const Type& type) {
    for (const Type* inner = &type; inner != nullptr; inner = inner->element.get()) {
        if (inner->switch_is) return inner->switch_is.get();
    }
    return nullptr;
}

Type with_counter(Type type, const std::string& counter, const std::optional<std::pair<int64_t, int64_t>>& range) {
    if (type.kind == Kind::pointer) {
        type.element = shared(with_counter(*type.element, counter, range));
        return type;
    }
    type.counter = counter;
    if (range && range->second >= 0) type.limit = static_cast<uint64_t>(std::max<int64_t>(range->second, 1));
    return type;
}

void resolve_count(std::vector<Member>& members, Member& counter) {
    bool plain = counter.type.kind == Kind::integer && !counter.default_value;
    std::vector<Member*> counted;
    for (Member& member : members) {
        if (const Expression* e = switch_of(member.type); e != nullptr && names_of(*e).count(counter.name) != 0) {
            counter.controls = true;
            plain = false;
        }
        each_array(member.type, true, [&](const Type& array, bool direct) {
            if (!names(array.size, counter.name) && !names(array.length, counter.name) && !names(array.first, counter.name)) return;
            counter.controls = true;
            const bool counts =
                direct && is_name(array.size, counter.name) && !array.first && (!array.varying || is_name(array.length, counter.name));
            plain = plain && counts && member.in == counter.in && member.out == counter.out && !(member.in && member.out);
            counted.push_back(&member);
        });
    }
    if (!plain) return;
    for (Member* member : counted) {
        counter.counts.push_back(member->name);
        member->type = with_counter(member->type, counter.name, counter.type.range);
    }
}

Result<void> check_name(const std::vector<Member>& members, const Member& user, const std::string& name) {
    const auto found = std::find_if(members.begin(), members.end(), [&](const Member& m) { return m.name == name; });
    const Type* type = found == members.end() ? nullptr : &found->type;
    while (type != nullptr && type->kind == Kind::pointer) type = type->element.get();
    if (type != nullptr && (type->kind == Kind::integer || type->kind == Kind::enumeration || type->kind == Kind::boolean)) return {};
    return bad(fmt::format("'{}': '{}' is neither a constant nor an integer beside it", user.name, name));
}

}  // namespace

Result<Type> apply_attributes(Type type, const DeclaratorAttributes& attributes) {
    Result<Type> made = std::move(type);
    if (attributes.all.count("string") != 0) {
        const auto charset = attributes.all.find("charset");
        const bool wide = charset != attributes.all.end() && !charset->second.empty() && charset->second[0].text == "UTF16";
        made = make_string(std::move(*made), charset == attributes.all.end() ? 0 : wide ? 2 : 1);
        if (!made) return made;
    } else if (attributes.all.count("charset") != 0) {
        return bad("charset wants string beside it");
    }
    const Dimensions& d = attributes.dimensions;
    made =
        apply_dimensions(std::move(*made), d, 0, std::max({d.size.size(), d.max.size(), d.length.size(), d.last.size(), d.first.size()}));
    if (made) made = apply_pointer(std::move(*made), attributes.all);
    if (made && attributes.range) made = apply_range(std::move(*made), *attributes.range);
    if (made && attributes.switch_is) made = apply_switch(std::move(*made), attributes.switch_is);
    if (!made || attributes.subcontext == 0) return made;
    Type outer;
    outer.kind = Kind::subcontext;
    outer.width = attributes.subcontext;
    outer.element = shared(std::move(*made));
    return outer;
}

Result<void> resolve_counts(std::vector<Member>& members) {
    for (const Member& member : members) {
        Result<void> result;
        const auto check = [&](const ExpressionPtr& e) {
            if (!e) return;
            for (const std::string& name : names_of(*e)) {
                if (result) result = check_name(members, member, name);
            }
        };
        each_array(member.type, true, [&](const Type& array, bool) {
            check(array.size);
            check(array.length);
            check(array.first);
        });
        if (const Expression* e = switch_of(member.type)) check(std::make_shared<Expression>(*e));
        if (!result) return result;
    }
    for (Member& member : members) resolve_count(members, member);
    return {};
}

}  // namespace Atoll::idlc
