#include "idl/compiler/codec.h"

#include "idl/compiler/check.h"
#include "idl/compiler/cpp_names.h"

namespace Atoll::idlc {

std::string Codec::cpp(const ExpressionPtr& e) const { return to_cpp(*e, resolve_); }

std::string Codec::tag_of(const Type& type) const {
    return type.switch_is ? fmt::format(", static_cast<int64_t>({})", cpp(type.switch_is)) : "";
}

template <class Body>
void Codec::each(const std::string& e, const char* qualifiers, Body body) {
    const std::string item = out_.fresh("item");
    out_.line("for ({} {} : {}) {{", qualifiers, item, e);
    loops_++;
    body(item);
    loops_--;
    out_.line("}}");
}

template <class Body>
void Codec::guarded(bool may_be_null, const std::string& e, Body body) {
    if (!may_be_null) return body(e);
    out_.line("if ({}) {{", e);
    body("(*" + e + ")");
    out_.line("}}");
}

void Codec::check_later(const std::string& condition, const std::string& why) {
    if (loops_ > 0) return out_.line("if (!({})) ndr.fail(\"{}\");", condition, why);
    std::string guarded_condition = condition;
    for (auto guard = guards_.rbegin(); guard != guards_.rend(); ++guard)
        guarded_condition = "!" + *guard + " || (" + guarded_condition + ")";
    checks_.emplace_back(guarded_condition, why);
}

void Codec::finish() {
    for (const auto& [condition, why] : checks_) out_.line("if (!({})) ndr.fail(\"{}\");", condition, why);
    checks_.clear();
}

// --- encoding

void Codec::put_integer(const Type& type, const std::string& e) {
    const std::string value = type.is_signed ? fmt::format("static_cast<{}>({})", unsigned_type(type.width), e) : e;
    out_.line("ndr.{}({});", type.native ? "native" : accessor(type.width), value);
}

void Codec::put(const Type& type, const std::string& e) {
    switch (type.kind) {
        case Kind::nothing:
        case Kind::binding: return;
        case Kind::integer: return put_integer(type, e);
        case Kind::enumeration:
            return out_.line("ndr.{}(static_cast<{}>({}));", enum_accessor(*type.enumeration), unsigned_type(type.enumeration->width), e);
        case Kind::boolean: return out_.line("ndr.boolean({});", e);
        case Kind::guid: return out_.line("ndr.guid({});", e);
        case Kind::sid: return out_.line("ndr.sid({});", e);
        case Kind::nttime: return out_.line("ndr.u64({}.ticks);", e);
        case Kind::filetime:
            out_.line("ndr.u32(static_cast<uint32_t>({}.ticks));", e);
            return out_.line("ndr.u32(static_cast<uint32_t>({}.ticks >> 32));", e);
        case Kind::context_handle: return out_.line("ndr.context_handle({});", e);
        case Kind::utf8:
        case Kind::path: return out_.line("ndr.text({}, {});", e, limit_of(type));
        case Kind::blob: return out_.line("ndr.blob({}, {});", e, limit_of(type));
        case Kind::structure: return out_.line("ndr_put(ndr, {});", e);
        case Kind::union_type: return out_.line("ndr_put(ndr, {}{});", e, tag_of(type));
        case Kind::sequence: out_.line("ndr.count({}.size(), {});", e, limit_of(type)); return put_elements(type, e);
        case Kind::array: return put_array(type, e);
        case Kind::string: return put_string(type, e);
        case Kind::optional:
            out_.line("ndr.boolean({}.has_value());", e);
            return guarded(true, e, [&](const std::string& inner) { put(*type.element, inner); });
        case Kind::pointer:
            if (type.pointer == Pointer::relative) return out_.line("ndr.relative(&{0}, {0}.has_value());", e);
            return out_.line("ndr.referent({});", type.may_be_null() ? e + ".has_value()" : "true");
        case Kind::subcontext: return put_subcontext(type, e);
    }
}

void Codec::put_subcontext(const Type& type, const std::string& e) {
    const std::string outer = out_.fresh("outer");
    out_.line("const auto {} = ndr.begin_subcontext({});", outer, type.width);
    put_whole(*type.element, e);
    out_.line("ndr.end_subcontext({}, {});", outer, type.width);
}

void Codec::put_string(const Type& type, const std::string& e) {
    out_.line("ndr.{}({}, {}, {});", type.width == 2 ? "wide_string" : "narrow_string", e, type.conformant, limit_of(type));
}

void Codec::put_conformance(const Type& type, const std::string& e) {
    if (type.kind == Kind::structure && is_conformant(type)) return out_.line("ndr_put_conformance(ndr, {});", e);
    if (type.kind != Kind::array || !type.conformant) return;
    if (!type.varying) return out_.line("ndr.conformance({}, {});", elements_to_put(type, e), limit_of(type));
    const std::string first = type.first ? cpp(type.first) : "uint64_t{0}";
    const std::string size = type.counter.empty() ? cpp(type.size) : "uint64_t{0}";
    out_.line("ndr.native(std::max({}, {} + {}.size()));", size, first, e);
}

// How many elements of an array whose size an expression says: missing ones are filled up, unless they point somewhere.
std::string Codec::elements_to_put(const Type& type, const std::string& e) const {
    if (!type.counter.empty() || !type.conformant || type.varying || has_pointers(*type.element)) return e + ".size()";
    return fmt::format("idl::elements_to_put(ndr, {}, {}.size(), {})", cpp(type.size), e, limit_of(type));
}

void Codec::put_array(const Type& type, const std::string& e) {
    if (type.varying) out_.line("ndr.variance({}, {}.size(), {});", type.first ? cpp(type.first) : "0", e, limit_of(type));
    put_elements(type, e);
    const std::string n = elements_to_put(type, e);
    if (type.varying || n == e + ".size()") return;
    const std::string i = out_.fresh("i");
    out_.line("for (size_t {0} = {1}.size(), behind = {2}; {0} < behind; {0}++) {{", i, e, n);
    put(*type.element, cpp_type(*type.element, space_) + "{}");
    out_.line("}}");
}

void Codec::put_elements(const Type& type, const std::string& e) {
    if (is_bytes(*type.element)) return out_.line("ndr.bytes({});", e);
    each(e, "const auto&", [&](const std::string& item) { put(*type.element, item); });
}

void Codec::put_whole(const Type& type, const std::string& e) {
    put_conformance(type, e);
    put(type, e);
    put_deferred(type, e);
}

void Codec::put_pointee(const Type& pointer, const std::string& e, const std::string& inner) {
    if (pointer.pointer == Pointer::relative) out_.line("ndr.begin_relative(&{}, {});", e, alignment(*pointer.element));
    put_whole(*pointer.element, inner);
}

void Codec::put_deferred(const Type& type, const std::string& e) {
    if (!has_pointers(type)) return;
    switch (type.kind) {
        case Kind::structure:
        case Kind::union_type: return out_.line("ndr_put_deferred(ndr, {});", e);
        case Kind::sequence:
        case Kind::array: return each(e, "const auto&", [&](const std::string& item) { put_deferred(*type.element, item); });
        case Kind::optional: return guarded(true, e, [&](const std::string& inner) { put_deferred(*type.element, inner); });
        case Kind::pointer: return guarded(type.may_be_null(), e, [&](const std::string& inner) { put_pointee(type, e, inner); });
        default: return;
    }
}

// --- decoding

void Codec::get_integer(const Type& type, const std::string& e) {
    const std::string read = type.native ? "native" : accessor(type.width);
    if (type.is_signed)
        out_.line("{} = static_cast<{}>(ndr.{}());", e, cpp_type(type, space_), read);
    else
        out_.line("{} = ndr.{}();", e, read);
    if (type.range)
        out_.line("if (!idl::within({}, {}, {})) ndr.fail(\"a number is out of its range\");", e, type.range->first, type.range->second);
}

void Codec::get(const Type& type, const std::string& e) {
    switch (type.kind) {
        case Kind::nothing:
        case Kind::binding: return;
        case Kind::integer: return get_integer(type, e);
        case Kind::enumeration:
            out_.line("{} = static_cast<{}>(ndr.{}());", e, cpp_type(type, space_), enum_accessor(*type.enumeration));
            return out_.line("if (!is_known({})) ndr.fail_if_strict(\"{} holds an unknown value\");", e, type.enumeration->name);
        case Kind::boolean: return out_.line("{} = ndr.boolean();", e);
        case Kind::guid: return out_.line("{} = ndr.guid();", e);
        case Kind::sid: return out_.line("{} = ndr.sid();", e);
        case Kind::nttime: return out_.line("{}.ticks = ndr.u64();", e);
        case Kind::filetime: out_.line("{}.ticks = ndr.u32();", e); return out_.line("{}.ticks |= uint64_t{{ndr.u32()}} << 32;", e);
        case Kind::context_handle: return out_.line("{} = ndr.context_handle();", e);
        case Kind::utf8: return out_.line("ndr.utf8({}, {});", e, limit_of(type));
        case Kind::path: return out_.line("ndr.path({}, {});", e, limit_of(type));
        case Kind::blob: return out_.line("ndr.blob({}, {});", e, limit_of(type));
        case Kind::structure: return out_.line("ndr_get(ndr, {});", e);
        case Kind::union_type: return out_.line("ndr_get(ndr, {}{});", e, tag_of(type));
        case Kind::sequence:
            out_.line("{}.resize(ndr.count({}, {}));", e, minimum_size(*type.element), limit_of(type));
            return get_elements(type, e);
        case Kind::array: return get_array(type, e);
        case Kind::string: return get_string(type, e);
        case Kind::optional: return get_optional(type, e);
        case Kind::pointer: return get_pointer(type, e);
        case Kind::subcontext: return get_subcontext(type, e);
    }
}

void Codec::get_subcontext(const Type& type, const std::string& e) {
    const std::string outer = out_.fresh("outer");
    out_.line("const auto {} = ndr.begin_subcontext({});", outer, type.width);
    get_whole(*type.element, e);
    out_.line("ndr.end_subcontext({});", outer);
}

void Codec::get_string(const Type& type, const std::string& e) {
    out_.line("ndr.{}({}, {}, {});", type.width == 2 ? "wide_string" : "narrow_string", e, type.conformant, limit_of(type));
}

void Codec::get_optional(const Type& type, const std::string& e) {
    out_.line("if (ndr.boolean()) {{");
    out_.line("if (!{0}) {0}.emplace();", e);
    get(*type.element, "(*" + e + ")");
    out_.line("}} else {{");
    out_.line("{}.reset();", e);
    out_.line("}}");
}

void Codec::get_pointer(const Type& type, const std::string& e) {
    if (!type.may_be_null()) return out_.line("if (!ndr.referent()) ndr.fail(\"a pointer that may not be null is null\");");
    const std::string read = type.pointer == Pointer::relative ? "relative(&" + e + ")"
                             : type.pointer == Pointer::full   ? "full_referent()"
                                                               : "referent()";
    out_.line("if (ndr.{}) {{", read);
    out_.line("if (!{0}) {0}.emplace();", e);
    out_.line("}} else {{");
    out_.line("{}.reset();", e);
    out_.line("}}");
}

void Codec::get_conformance(const Type& type, const std::string& e) {
    if (type.kind == Kind::structure && is_conformant(type)) return out_.line("ndr_get_conformance(ndr, {});", e);
    if (type.kind != Kind::array || !type.conformant) return;
    if (type.varying) return out_.line("ndr.maximum();");
    const size_t size = minimum_size(*type.element);
    if (presized_ && !type.counter.empty()) {
        out_.line("if (ndr.conformance({}, {}) != {}.size()) ndr.fail(\"an array's maximum count differs from its size_is\");", size,
                  limit_of(type), e);
        return out_.line("ndr.keep_promise({}.size(), {});", e, size);
    }
    out_.line("{}.resize(ndr.conformance({}, {}));", e, size, limit_of(type));
    if (type.counter.empty())
        check_later(fmt::format("{} == {}.size()", cpp(type.size), e), "an array's maximum count differs from its size_is");
}

void Codec::get_variance(const Type& type, const std::string& e) {
    const size_t size = minimum_size(*type.element);
    if (!type.conformant) out_.line("ndr.maximum({});", type.limit);
    if (presized_ && !type.counter.empty()) {
        out_.line("if (ndr.variance({}, {}) != {}.size()) ndr.fail(\"an array's actual count differs from its length_is\");", size,
                  limit_of(type), e);
        out_.line("ndr.keep_promise({}.size(), {});", e, size);
    } else {
        out_.line("{}.resize(ndr.variance({}, {}));", e, size, limit_of(type));
        if (type.counter.empty())
            check_later(fmt::format("{} == {}.size()", cpp(type.length), e), "an array's actual count differs from its length_is");
    }
    if (!type.first) return out_.line("if (ndr.first() != 0) ndr.fail(\"an array's offset is not 0\");");
    out_.line("if (ndr.first() != {}) ndr.fail(\"an array's offset differs from its first_is\");", cpp(type.first));
}

void Codec::get_array(const Type& type, const std::string& e) {
    if (type.varying) get_variance(type, e);
    get_elements(type, e);
}

void Codec::get_elements(const Type& type, const std::string& e) {
    if (is_bytes(*type.element)) return out_.line("ndr.bytes({});", e);
    each(e, "auto&", [&](const std::string& item) { get(*type.element, item); });
}

void Codec::get_whole(const Type& type, const std::string& e) {
    get_conformance(type, e);
    get(type, e);
    get_deferred(type, e);
}

void Codec::get_pointee(const Type& pointer, const std::string& e, const std::string& inner) {
    if (pointer.pointer != Pointer::relative) return get_whole(*pointer.element, inner);
    const std::string behind = out_.fresh("behind");
    out_.line("const size_t {} = ndr.begin_relative(&{});", behind, e);
    get_whole(*pointer.element, inner);
    out_.line("ndr.end_relative({});", behind);
}

void Codec::get_deferred(const Type& type, const std::string& e) {
    if (!has_pointers(type)) return;
    switch (type.kind) {
        case Kind::structure:
        case Kind::union_type: return out_.line("ndr_get_deferred(ndr, {});", e);
        case Kind::sequence:
        case Kind::array: return each(e, "auto&", [&](const std::string& item) { get_deferred(*type.element, item); });
        case Kind::optional: return guarded(true, e, [&](const std::string& inner) { get_deferred(*type.element, inner); });
        case Kind::pointer:
            if (type.may_be_null()) guards_.push_back(e);
            guarded(type.may_be_null(), e, [&](const std::string& inner) { get_pointee(type, e, inner); });
            if (type.may_be_null()) guards_.pop_back();
            return;
        default: return;
    }
}

}  // namespace Atoll::idlc
