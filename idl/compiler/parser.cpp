#include "idl/compiler/parser.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>

#include "idl/compiler/builtin_types.h"
#include "idl/compiler/check.h"
#include "idl/compiler/cursor.h"

namespace Atoll::idlc {

namespace {

using Attributes = std::map<std::string, std::vector<Token>>;  // name -> the tokens between its parentheses

class Parser {
 public:
    Parser(std::string root, std::string path, std::vector<Token> tokens, std::set<std::string> importing)
        : root_(std::move(root)), in_(std::move(tokens), path), importing_(std::move(importing)) {
        file_.path = path;
        file_.read.push_back(path);
        file_.types = builtin_types();
        importing_.insert(path);
    }

    Result<File> run() {
        while (in_.is("import")) import();
        interface();
        if (!in_.failed() && !in_.at_end()) in_.fail("only one interface a file");
        if (in_.failed()) return tl::unexpected<Error>(in_.error());
        return std::move(file_);
    }

 private:
    // import "path", "path";
    void import() {
        in_.expect("import");
        do {
            const Token path = in_.next();
            if (path.kind != Token::Kind::text) return in_.fail("import wants a quoted path");
            if (path.text == "ms-dtyp.idl") continue;  // its simple types are built in
            if (importing_.count(path.text) != 0) return in_.fail("files import each other in a circle: " + path.text);
            auto other = parse_path(root_, path.text, importing_);
            if (!other) return in_.adopt(other.error());
            file_.imports.push_back(path.text);
            file_.read.insert(file_.read.end(), other->read.begin(), other->read.end());
            file_.types.merge(other->types);
            file_.constants.merge(other->constants);
        } while (in_.accept(","));
        in_.expect(";");
    }

    void interface() {
        const Attributes attributes = parse_attributes();
        in_.expect("interface");
        file_.interface_name = in_.name("the interface's name");
        file_.space = file_.interface_name;
        if (const auto space = attributes.find("cpp_namespace"); space != attributes.end() && !space->second.empty())
            file_.space = space->second[0].text;
        if (const auto kind = attributes.find("pointer_default"); kind != attributes.end() && !kind->second.empty())
            pointers_unique_ = kind->second[0].text != "ref";
        in_.expect("{");
        while (!in_.at_end() && !in_.is("}")) declaration();
        in_.expect("}");
        in_.accept(";");
    }

    void declaration() {
        if (in_.is("const")) return constant();
        if (in_.is("typedef")) return type_definition();
        if (in_.is("struct") || in_.is("enum") || in_.is("union")) {
            (void)base_type({}, "");
            return in_.expect(";");
        }
        in_.fail("expected const, typedef, struct, union or enum before '" + in_.peek().text + "'");
    }

    // [name, name(tokens), ...][more]
    Attributes parse_attributes() {
        Attributes attributes;
        while (in_.accept("[")) {
            do {
                const std::string name = in_.name("an attribute");
                std::vector<Token>& arguments = attributes[name];
                if (in_.accept("(")) {
                    for (int depth = 1; !in_.at_end();) {
                        if (in_.is("(")) depth++;
                        if (in_.is(")") && --depth == 0) break;
                        arguments.push_back(in_.next());
                    }
                    in_.expect(")");
                }
            } while (in_.accept(","));
            in_.expect("]");
        }
        return attributes;
    }

    // Constant expressions: | over << over + - over * over unary.
    int64_t expression() {
        int64_t v = shifted();
        while (in_.accept("|")) v |= shifted();
        return v;
    }
    int64_t shifted() {
        int64_t v = sum();
        while (in_.accept("<<")) v = static_cast<int64_t>(static_cast<uint64_t>(v) << (static_cast<uint64_t>(sum()) & 63));
        return v;
    }
    int64_t sum() {
        int64_t v = product();
        while (in_.is("+") || in_.is("-")) v = in_.next().text == "+" ? v + product() : v - product();
        return v;
    }
    int64_t product() {
        int64_t v = unary();
        while (in_.accept("*")) v *= unary();
        return v;
    }
    int64_t unary() {
        if (in_.accept("-")) return -unary();
        if (in_.accept("(")) {
            const int64_t v = expression();
            in_.expect(")");
            return v;
        }
        const Token token = in_.next();
        if (token.kind == Token::Kind::number) return static_cast<int64_t>(token.value);
        if (token.kind == Token::Kind::name && token.text == "TRUE") return 1;
        if (token.kind == Token::Kind::name && token.text == "FALSE") return 0;
        if (const auto found = file_.constants.find(token.text); token.kind == Token::Kind::name && found != file_.constants.end())
            return found->second;
        in_.fail_at(token.line, "expected a number or a constant before '" + token.text + "'");
        return 0;
    }
    // The value of an attribute's tokens; what is in the attribute is a constant expression of one token, or names.
    uint32_t attribute_number(const Attributes& attributes, const std::string& name, uint32_t otherwise) {
        const auto found = attributes.find(name);
        if (found == attributes.end()) return otherwise;
        const std::vector<Token>& tokens = found->second;
        if (tokens.size() == 1 && tokens[0].kind == Token::Kind::number) return static_cast<uint32_t>(tokens[0].value);
        if (tokens.size() == 1 && file_.constants.count(tokens[0].text) != 0) return static_cast<uint32_t>(file_.constants[tokens[0].text]);
        in_.fail("attribute " + name + " wants a number");
        return otherwise;
    }

    void constant() {
        in_.expect("const");
        auto made = std::make_shared<Constant>();
        made->type = base_type({}, "");
        made->name = in_.name("the constant's name");
        in_.expect("=");
        made->value = expression();
        in_.expect(";");
        if (made->type.kind != Kind::integer) return in_.fail("a constant is an integer");
        file_.constants[made->name] = made->value;
        file_.declarations.emplace_back(std::move(made));
    }

    // typedef [attributes] type A, *PA;
    void type_definition() {
        in_.expect("typedef");
        const Attributes attributes = parse_attributes();
        // The name of an unnamed struct, union or enum is the first declarator's: found by looking ahead past its braces.
        const Type base = base_type(attributes, name_after_braces());
        do {
            Type type = base;
            while (in_.accept("*")) type = pointer_to(type);
            const std::string name = in_.name("the type's name");
            const auto old = file_.types.find(name);
            if (old != file_.types.end() && !same_declaration(old->second, type)) return in_.fail("'" + name + "' is declared twice");
            file_.types[name] = type;
        } while (in_.accept(","));
        in_.expect(";");
    }
    static bool same_declaration(const Type& a, const Type& b) {
        return a.kind == b.kind && a.enumeration == b.enumeration && a.structure == b.structure && a.union_type == b.union_type;
    }
    std::string name_after_braces() {
        int depth = 0;
        for (size_t i = 0; in_.peek(i).kind != Token::Kind::end; i++) {
            const std::string& text = in_.peek(i).text;
            if (text == "{") depth++;
            if (text == "}" && --depth == 0) return in_.peek(i + 1).kind == Token::Kind::name ? in_.peek(i + 1).text : "";
            if (depth == 0 && text == ";") break;
        }
        return "";
    }

    Type pointer_to(const Type& pointee) {
        Type type;
        type.kind = Kind::pointer;
        type.unique = pointers_unique_;
        type.element = std::make_shared<Type>(pointee);
        return type;
    }

    // What stands before the declarators. `name` is for a struct, union or enum that has no tag, or one that starts with '_'.
    Type base_type(const Attributes& attributes, const std::string& name) {
        in_.accept("const");
        if (in_.is("struct") || in_.is("union") || in_.is("enum")) return declared_type(attributes, name);
        if (in_.is("unsigned") || in_.is("signed")) return signed_type(in_.next().text == "signed");
        const std::string word = in_.name("a type");
        Type type;
        if (word == "utf8" || word == "path" || word == "blob") {
            type.kind = word == "utf8" ? Kind::utf8 : word == "path" ? Kind::path : Kind::blob;
            if (in_.accept("<")) {
                type.limit = static_cast<uint64_t>(expression());
                in_.expect(">");
            }
            return type;
        }
        if (word == "sequence" || word == "optional") {
            type.kind = word == "sequence" ? Kind::sequence : Kind::optional;
            in_.expect("<");
            type.element = std::make_shared<Type>(base_type({}, ""));
            if (word == "sequence" && in_.accept(",")) type.limit = static_cast<uint64_t>(expression());
            in_.expect(">");
            return type;
        }
        if (in_.accept(".")) return qualified_type(word);
        if (const auto found = file_.types.find(word); found != file_.types.end()) return found->second;
        if (!in_.failed()) in_.fail("unknown type '" + word + "'");
        return type;
    }

    // space.name: the same type as `name`, said with the namespace that declares it.
    Type qualified_type(const std::string& space) {
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

    Type signed_type(bool is_signed) {
        Type type = builtin_types().at("long");
        if (in_.peek().kind == Token::Kind::name) {
            static const std::set<std::string> sizes = {"small", "short", "long", "int", "hyper", "char", "__int64", "byte"};
            if (sizes.count(in_.peek().text) != 0) type = builtin_types().at(in_.next().text);
        }
        type.is_signed = is_signed;
        return type;
    }

    // struct|union|enum [tag] [{...}]
    Type declared_type(const Attributes& attributes, const std::string& name) {
        const std::string keyword = in_.next().text;
        std::string tag;
        if (!in_.is("{") && in_.peek().kind == Token::Kind::name && !(keyword == "union" && in_.is("switch"))) tag = in_.next().text;
        if (!in_.is("{")) {
            const auto found = file_.types.find(keyword + " " + tag);
            if (found != file_.types.end()) return found->second;
            in_.fail(keyword + " '" + tag + "' is not declared yet (types that contain themselves are not supported)");
            return {};
        }
        const std::string called = !name.empty() ? name : tag;
        if (called.empty()) in_.fail("this " + keyword + " has no name");
        Type type = keyword == "struct"  ? structure(attributes, called)
                    : keyword == "union" ? union_of(attributes, called)
                                         : enumeration(attributes, called);
        if (!tag.empty()) file_.types[keyword + " " + tag] = type;
        if (name.empty()) file_.types[tag] = type;
        return type;
    }

    Type enumeration(const Attributes& attributes, const std::string& name) {
        auto made = std::make_shared<Enumeration>();
        made->name = name;
        made->space = file_.space;
        made->flags = attributes.count("flags") != 0;
        made->width = attributes.count("v1_enum") != 0 ? 4 : attribute_number(attributes, "width", 16) / 8;
        in_.expect("{");
        int64_t value = 0;
        while (!in_.at_end() && !in_.is("}")) {
            const std::string enumerator = in_.name("an enumerator");
            if (in_.accept("=")) value = expression();
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

    Type structure(const Attributes& attributes, const std::string& name) {
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
        resolve_counts(*made);
        if (const auto r = check(*made); !r && !in_.failed()) in_.fail_at(made->line, r.error().text);
        Type type;
        type.kind = Kind::structure;
        type.structure = made;
        file_.declarations.emplace_back(std::move(made));
        return type;
    }

    // [attributes] type a, *b, c[4]
    void members(std::vector<Member>& out, const std::string& outer) {
        const Attributes attributes = parse_attributes();
        const std::string inner = name_after_braces();
        const Type base = base_type(attributes, inner.empty() ? "" : outer + "_" + inner);
        do {
            Member member;
            member.line = in_.line();
            member.type = base;
            while (in_.accept("*")) member.type = pointer_to(member.type);
            member.name = in_.name("the member's name");
            apply(attributes, member);
            out.push_back(std::move(member));
        } while (in_.accept(","));
    }

    void apply(const Attributes& attributes, Member& member) {
        static const std::set<std::string> known = {"hex",    "secret", "since",  "until",       "default", "size_is", "switch_is",
                                                    "string", "ref",    "unique", "switch_type", "v1_enum", "flags",   "width"};
        for (const auto& [name, arguments] : attributes) {
            if (known.count(name) == 0) in_.fail("attribute '" + name + "' is not supported on a member");
        }
        member.hex = attributes.count("hex") != 0;
        member.secret = attributes.count("secret") != 0;
        member.since = attribute_number(attributes, "since", always);
        member.until = attribute_number(attributes, "until", never);
        if (attributes.count("default") != 0) member.default_value = attribute_number(attributes, "default", 0);
        if (attributes.count("size_is") != 0) member.size_is = single_name(attributes.at("size_is"), "size_is");
        if (attributes.count("switch_is") != 0) member.switch_is = single_name(attributes.at("switch_is"), "switch_is");
        array_suffix(member);
        if (member.type.kind == Kind::pointer && attributes.count("string") != 0) {
            if (!member.type.element->wide_char) return in_.fail("[string] is supported on wchar_t* only");
            member.type.kind = Kind::string_pointer;
            member.type.element = nullptr;
        }
        if (member.type.kind == Kind::pointer && !member.size_is.empty()) member.type.kind = Kind::sized_pointer;
        if (attributes.count("ref") != 0) member.type.unique = false;
        if (attributes.count("unique") != 0) member.type.unique = true;
    }
    std::string single_name(const std::vector<Token>& tokens, const std::string& attribute) {
        if (tokens.size() == 1 && tokens[0].kind == Token::Kind::name) return tokens[0].text;
        in_.fail("attribute " + attribute + " wants the name of one member");
        return {};
    }
    void array_suffix(Member& member) {
        if (!in_.accept("[")) return;
        Type type;
        type.element = std::make_shared<Type>(member.type);
        if (in_.accept("]") || (in_.accept("*") && in_.accept("]"))) {
            type.kind = Kind::conformant;
        } else {
            type.kind = Kind::array;
            type.limit = static_cast<uint64_t>(expression());
            in_.expect("]");
        }
        member.type = type;
    }

    static void resolve_counts(Structure& structure) {
        for (const Member& member : structure.members) {
            if (member.size_is.empty()) continue;
            for (Member& other : structure.members) {
                if (other.name == member.size_is) other.counts.push_back(member.name);
            }
        }
    }

    Type union_of(const Attributes& attributes, const std::string& name) {
        auto made = std::make_shared<Union>();
        made->name = name;
        made->space = file_.space;
        made->line = in_.line();
        made->tag = union_tag(attributes);
        in_.expect("{");
        while (!in_.at_end() && !in_.is("}")) arm(*made);
        in_.expect("}");
        if (const auto r = check(*made); !r && !in_.failed()) in_.fail_at(made->line, r.error().text);
        Type type;
        type.kind = Kind::union_type;
        type.union_type = made;
        file_.declarations.emplace_back(std::move(made));
        return type;
    }
    Type union_tag(const Attributes& attributes) {
        Type type = builtin_types().at("long");
        const auto found = attributes.find("switch_type");
        if (found == attributes.end()) return type;
        const std::vector<Token>& tokens = found->second;
        if (tokens.size() == 2 && tokens[0].text == "unsigned" && builtin_types().count(tokens[1].text) != 0) {
            type = builtin_types().at(tokens[1].text);
            type.is_signed = false;
        } else if (tokens.size() == 1 && file_.types.count(tokens[0].text) != 0) {
            type = file_.types.at(tokens[0].text);
        } else {
            in_.fail("switch_type wants an integer type or an enum");
        }
        return type;
    }
    // [case(1, 2)] type name;  or  [default] ;
    void arm(Union& made) {
        Arm made_arm;
        Attributes attributes = parse_attributes();
        made_arm.is_default = attributes.erase("default") != 0;
        if (const auto found = attributes.find("case"); found != attributes.end()) {
            made_arm.cases = case_values(found->second);
            attributes.erase(found);
        }
        if (!in_.accept(";")) {
            Member member;
            member.line = in_.line();
            member.type = base_type({}, "");
            while (in_.accept("*")) member.type = pointer_to(member.type);
            member.name = in_.name("the arm's name");
            apply(attributes, member);
            made_arm.member = std::move(member);
            in_.expect(";");
        }
        made.arms.push_back(std::move(made_arm));
    }
    std::vector<int64_t> case_values(const std::vector<Token>& tokens) {
        std::vector<int64_t> values;
        for (const Token& token : tokens) {
            if (token.kind == Token::Kind::symbol && token.text == ",") continue;
            if (token.kind == Token::Kind::number)
                values.push_back(static_cast<int64_t>(token.value));
            else if (file_.constants.count(token.text) != 0)
                values.push_back(file_.constants[token.text]);
            else
                in_.fail_at(token.line, "a case is a number or a constant, not '" + token.text + "'");
        }
        return values;
    }

    static Result<File> parse_path(const std::string& root, const std::string& path, const std::set<std::string>& importing);
    friend Result<File> Atoll::idlc::parse_file(const std::string& root, const std::string& path);

    std::string root_;
    Cursor in_;
    std::set<std::string> importing_;
    File file_;
    bool pointers_unique_ = true;
};

Result<File> Parser::parse_path(const std::string& root, const std::string& path, const std::set<std::string>& importing) {
    std::ifstream in(root + "/" + path, std::ios::binary);
    if (!in) return fail(Code::io, path, "cannot be read");
    const std::string source((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    auto tokens = tokenize(source, path);
    if (!tokens) return tokens.failure();
    return Parser(root, path, std::move(*tokens), importing).run();
}

}  // namespace

Result<File> parse_file(const std::string& root, const std::string& path) { return Parser::parse_path(root, path, {}); }

Result<File> parse_source(const std::string& root, const std::string& path, const std::string& source) {
    auto tokens = tokenize(source, path);
    if (!tokens) return tokens.failure();
    return Parser(root, path, std::move(*tokens), {}).run();
}

}  // namespace Atoll::idlc
