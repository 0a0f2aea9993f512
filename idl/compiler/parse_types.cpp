// Types: typedef, struct, union, enum, and the declarators of members and parameters.
#include <algorithm>

#include "idl/compiler/builtin_types.h"
#include "idl/compiler/check.h"
#include "idl/compiler/parser_class.h"

namespace Atoll::idlc {

namespace {

// Of members, arms and typedefs.
const std::set<std::string> declarator_names = {"string",    "ref",     "unique",   "ptr",   "relative", "size_is",    "max_is",
                                                "length_is", "last_is", "first_is", "range", "charset",  "subcontext", "switch_is"};

std::set<std::string> with(std::set<std::string> more) {
    more.insert(declarator_names.begin(), declarator_names.end());
    return more;
}

bool same_declaration(const Type& a, const Type& b) {
    return a.kind == b.kind && a.enumeration == b.enumeration && a.structure == b.structure && a.union_type == b.union_type;
}

}  // namespace

// typedef [attributes] type A, *PA;
void Parser::type_definition() {
    in_.expect("typedef");
    const Attributes attributes = parse_attributes();
    refuse_unknown(attributes,
                   with({"record", "version", "v1_enum", "flags", "width", "switch_type", "ms_union", "handle", "context_handle", "public",
                         "relative_base"}),
                   "a typedef");
    // The name of an unnamed struct, union or enum is the first declarator's: found by looking ahead past its braces.
    const Type base = base_type(attributes, name_after_braces());
    do {
        std::string name;
        Type type = declarator(base, attributes, name);
        if (attributes.count("context_handle") != 0) {
            type = Type();
            type.kind = Kind::context_handle;
        }
        define_type(name, type);
    } while (in_.accept(","));
    in_.expect(";");
}

void Parser::define_type(const std::string& name, const Type& type) {
    if (in_.failed()) return;
    const auto old = file_.types.find(name);
    if (old != file_.types.end() && !same_declaration(old->second, type)) return in_.fail("'" + name + "' is declared twice");
    file_.types[name] = type;
}

std::string Parser::name_after_braces() {
    int depth = 0;
    for (size_t i = 0; in_.peek(i).kind != Token::Kind::end; i++) {
        const std::string& text = in_.peek(i).text;
        if (text == "{") depth++;
        if (text == "}" && --depth == 0) return in_.peek(i + 1).kind == Token::Kind::name ? in_.peek(i + 1).text : "";
        if (depth == 0 && text == ";") break;
    }
    return "";
}

Type Parser::pointer_to(const Type& pointee) const {
    Type type;
    type.kind = Kind::pointer;
    type.pointer = pointer_default_;
    type.element = std::make_shared<Type>(pointee);
    return type;
}

// What stands before the declarators. `name` is for a struct, union or enum that has no tag, or one that starts with '_'.
Type Parser::base_type(const Attributes& attributes, const std::string& name) {
    in_.accept("const");
    if (in_.is("struct") || in_.is("union") || in_.is("enum")) return declared_type(attributes, name);
    if (in_.is("unsigned") || in_.is("signed")) return signed_type(in_.next().text == "signed");
    const std::string word = in_.name("a type");
    static const std::set<std::string> generic = {"utf8", "path", "blob", "sequence", "optional"};
    if (generic.count(word) != 0) return generic_type(word);
    if (in_.accept(".")) return qualified_type(word);
    in_.accept("int");  // long int
    if (const auto found = file_.types.find(word); found != file_.types.end()) return found->second;
    if (!in_.failed()) in_.fail("unknown type '" + word + "'");
    return {};
}

Type Parser::generic_type(const std::string& word) {
    Type type;
    if (word == "utf8" || word == "path" || word == "blob") {
        type.kind = word == "utf8" ? Kind::utf8 : word == "path" ? Kind::path : Kind::blob;
        if (!in_.accept("<")) return type;
        type.limit = static_cast<uint64_t>(constant_limit());
    } else {
        type.kind = word == "sequence" ? Kind::sequence : Kind::optional;
        in_.expect("<");
        type.element = std::make_shared<Type>(base_type({}, ""));
        if (word == "sequence" && in_.accept(",")) type.limit = static_cast<uint64_t>(constant_limit());
    }
    in_.expect(">");
    return type;
}

// space.name: the same type as `name`, said with the namespace that declares it.
Type Parser::qualified_type(const std::string& space) {
    const std::string name = in_.name("a type");
    const auto found = file_.types.find(name);
    const std::string* declared = nullptr;
    if (found != file_.types.end()) {
        const Type& type = found->second;
        if (type.structure) declared = &type.structure->space;
        if (type.enumeration) declared = &type.enumeration->space;
        if (type.union_type) declared = &type.union_type->space;
    }
    if (declared != nullptr && *declared == space) return found->second;
    if (!in_.failed()) in_.fail("unknown type '" + space + "." + name + "'");
    return {};
}

Type Parser::signed_type(bool is_signed) {
    static const std::set<std::string> sizes = {"small", "short",   "long",    "int",     "hyper",  "char",
                                                "byte",  "__int64", "__int32", "__int16", "__int8", "__int3264"};
    Type type = builtin_types().at("long");
    if (in_.peek().kind == Token::Kind::name && sizes.count(in_.peek().text) != 0) type = builtin_types().at(in_.next().text);
    in_.accept("int");
    type.is_signed = is_signed;
    return type;
}

// struct|union|enum [tag] [{...}]
Type Parser::declared_type(const Attributes& attributes, const std::string& name) {
    const std::string keyword = in_.next().text;
    std::string tag;
    if (!in_.is("{") && in_.peek().kind == Token::Kind::name && !(keyword == "union" && in_.is("switch"))) tag = in_.next().text;
    if (!in_.is("{") && !in_.is("switch")) {
        const auto found = file_.types.find(keyword + " " + tag);
        if (found != file_.types.end()) return found->second;
        in_.fail(keyword + " '" + tag + "' is not declared yet (types that contain themselves are not supported)");
        return {};
    }
    const std::string called = !name.empty() ? name : tag;
    if (called.empty()) in_.fail("this " + keyword + " has no name");
    Type type = keyword == "struct"  ? structure(attributes, called)
                : keyword == "union" ? (in_.is("switch") ? encapsulated_union(attributes, called) : union_of(attributes, called))
                                     : enumeration(attributes, called);
    if (!tag.empty()) file_.types[keyword + " " + tag] = type;
    if (name.empty()) file_.types[tag] = type;
    return type;
}

Type Parser::enumeration(const Attributes& attributes, const std::string& name) {
    auto made = std::make_shared<Enumeration>();
    made->name = name;
    made->space = file_.space;
    made->flags = attributes.count("flags") != 0;
    made->width = attributes.count("v1_enum") != 0 ? 4 : attribute_number(attributes, "width", 16) / 8;
    made->wide_in_64 = made->width == 2 && attributes.count("width") == 0;
    in_.expect("{");
    int64_t value = 0;
    while (!in_.at_end() && !in_.is("}")) {
        const std::string enumerator = in_.name("an enumerator");
        if (in_.accept("=")) value = constant_expression();
        made->enumerators.push_back({enumerator, value});
        file_.constants[enumerator] = value++;
        if (!in_.accept(",")) break;
    }
    in_.expect("}");
    if (const auto r = check(*made); !r) in_.fail(r.error().text);
    Type type;
    type.kind = Kind::enumeration;
    type.enumeration = made;
    file_.declarations.emplace_back(std::move(made));
    return type;
}

Type Parser::structure(const Attributes& attributes, const std::string& name) {
    auto made = std::make_shared<Structure>();
    made->name = name;
    made->space = file_.space;
    made->line = in_.line();
    made->record = attributes.count("record") != 0;
    made->version = attribute_number(attributes, "version", 1);
    in_.expect("{");
    while (!in_.at_end() && !in_.is("}")) {
        members(made->members, name);
        in_.expect(";");
    }
    in_.expect("}");
    infer_switch_types(*made);
    if (!in_.failed()) {
        auto r = resolve_counts(made->members);
        if (r) r = check(*made);
        if (!r) in_.fail_at(made->line, r.error().text);
    }
    Type type;
    type.kind = Kind::structure;
    type.structure = made;
    // What a compiler packs in memory NDR aligns all the same, so that the two would differ.
    if (pack_ != 0 && alignment(type) > pack_ && !in_.failed())
        in_.fail_at(made->line, "struct '" + name + "' has members that #pragma pack would move: use members of that alignment");
    file_.declarations.emplace_back(std::move(made));
    return type;
}

// [attributes] type a, *b, c[4]
void Parser::members(std::vector<Member>& out, const std::string& outer) {
    const Attributes attributes = parse_attributes();
    const std::string inner = name_after_braces();
    const Type base = base_type(attributes, inner.empty() ? "" : outer + "_" + inner);
    do {
        Member member;
        member.line = in_.line();
        member.type = declarator(base, attributes, member.name);
        apply(attributes, member);
        out.push_back(std::move(member));
    } while (in_.accept(","));
}

void Parser::apply(const Attributes& attributes, Member& member) {
    refuse_unknown(attributes,
                   with({"hex", "secret", "since", "until", "default", "switch_type", "v1_enum", "flags", "width", "ms_union", "ignore"}),
                   "a member");
    if (attributes.count("ignore") != 0) return in_.fail("[ignore] is not supported: what is not on the wire has no place in the .idl");
    member.hex = attributes.count("hex") != 0;
    member.secret = attributes.count("secret") != 0;
    member.since = attribute_number(attributes, "since", always);
    member.until = attribute_number(attributes, "until", never);
    if (attributes.count("default") != 0) member.default_value = attribute_number(attributes, "default", 0);
}

// * name [n], with what the attributes say.
Type Parser::declarator(Type base, const Attributes& attributes, std::string& name) {
    while (in_.accept("*")) {
        in_.accept("const");
        base = pointer_to(base);
    }
    name = in_.name("a name");
    if (in_.is("[")) base = array_suffix(base);
    const DeclaratorAttributes all = declarator_attributes(attributes);
    if (in_.failed()) return base;
    auto made = apply_attributes(base, all);
    if (made) return std::move(*made);
    in_.fail("'" + name + "': " + made.error().text);
    return base;
}

Type Parser::array_suffix(const Type& element) {
    in_.expect("[");
    Type type;
    type.kind = Kind::array;
    if (in_.accept("]") || (in_.accept("*") && in_.accept("]"))) {
        type.conformant = true;
    } else {
        type.limit = static_cast<uint64_t>(constant_expression());
        if (in_.is(".")) in_.fail("an array's lower bound is 0: write its length alone");
        in_.expect("]");
        if (type.limit == 0 && !in_.failed()) in_.fail("an array of nothing");
    }
    if (!in_.is("[")) {
        type.element = std::make_shared<Type>(element);
        return type;
    }
    type.element = std::make_shared<Type>(array_suffix(element));  // x[2][3] is two arrays of three
    if (type.element->conformant) in_.fail("only the first dimension of an array may be []");
    return type;
}

// A union in a structure without switch_type has its discriminant's type.
void Parser::infer_switch_types(Structure& made) {
    for (Member& member : made.members) {
        const Type& type = member.type;
        if (type.kind != Kind::union_type || type.union_type->tag_said || !type.switch_is || type.switch_is->kind != Expression::Kind::name)
            continue;
        for (const Member& tag : made.members) {
            if (tag.name != type.switch_is->text) continue;
            auto changed = std::const_pointer_cast<Union>(type.union_type);
            changed->tag = tag.type;
            changed->tag_said = true;
        }
    }
}

Type Parser::union_of(const Attributes& attributes, const std::string& name) {
    auto made = std::make_shared<Union>();
    made->name = name;
    made->line = in_.line();
    const auto found = attributes.find("switch_type");
    made->tag_said = found != attributes.end();
    made->tag = made->tag_said ? switch_type(found->second) : builtin_types().at("long");
    made->ms_union = ms_union_ || attributes.count("ms_union") != 0;
    in_.expect("{");
    while (!in_.at_end() && !in_.is("}")) arm(*made);
    in_.expect("}");
    return finish_union(std::move(made));
}

// union switch (long kind) name { case 1: long a; default: ; }
Type Parser::encapsulated_union(const Attributes&, const std::string& name) {
    auto made = std::make_shared<Union>();
    made->name = name;
    made->line = in_.line();
    made->tag_said = true;
    in_.expect("switch");
    in_.expect("(");
    made->tag = base_type({}, "");
    made->encapsulated = in_.name("the discriminant's name");
    in_.expect(")");
    if (in_.peek().kind == Token::Kind::name) in_.next();  // the name of the union in it
    in_.expect("{");
    while (!in_.at_end() && !in_.is("}")) arm(*made);
    in_.expect("}");
    return finish_union(std::move(made));
}

Type Parser::finish_union(std::shared_ptr<Union> made) {
    made->space = file_.space;
    if (const auto r = check(*made); !r && !in_.failed()) in_.fail_at(made->line, r.error().text);
    Type type;
    type.kind = Kind::union_type;
    type.union_type = made;
    file_.declarations.emplace_back(std::move(made));
    return type;
}

Type Parser::switch_type(const std::vector<Token>& tokens) {
    std::string name;
    for (const Token& token : tokens) name += (name.empty() ? "" : " ") + token.text;
    if (tokens.size() == 2 && tokens[0].text == "unsigned" && builtin_types().count(tokens[1].text) != 0) {
        Type type = builtin_types().at(tokens[1].text);
        type.is_signed = false;
        return type;
    }
    if (const auto found = file_.types.find(name); found != file_.types.end()) return found->second;
    in_.fail("switch_type wants an integer type or an enum, not '" + name + "'");
    return builtin_types().at("long");
}

// [case(1, 2)] type name;  [default] ;  or, in an encapsulated union, case 1: case 2: type name;
void Parser::arm(Union& made) {
    Attributes attributes = parse_attributes();
    Arm made_arm = case_labels(attributes);
    attributes.merge(parse_attributes());
    if (!in_.accept(";") && !in_.failed()) {
        Member member;
        member.line = in_.line();
        const std::string inner = name_after_braces();
        const Type base = base_type(attributes, inner.empty() ? "" : made.name + "_" + inner);
        member.type = declarator(base, attributes, member.name);
        apply(attributes, member);
        made_arm.member = std::move(member);
        in_.expect(";");
    }
    made.arms.push_back(std::move(made_arm));
}

Arm Parser::case_labels(Attributes& attributes) {
    Arm made;
    made.is_default = attributes.erase("default") != 0;
    if (attributes.count("case") != 0) {
        for (const ExpressionPtr& e : attribute_list(attributes, "case")) {
            if (in_.failed()) return made;
            if (e)
                made.cases.push_back(constant_of(*e, in_.line()));
            else
                in_.fail("a case wants its values");
        }
        attributes.erase("case");
    }
    while (in_.is("case") || in_.is("default")) {
        if (in_.accept("default"))
            made.is_default = true;
        else if (in_.accept("case"))
            made.cases.push_back(constant_expression());
        in_.expect(":");
    }
    return made;
}

}  // namespace Atoll::idlc
