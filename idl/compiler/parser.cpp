#include "idl/compiler/parser.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "base/guid.h"
#include "idl/compiler/builtin_types.h"
#include "idl/compiler/check.h"
#include "idl/compiler/parser_class.h"

namespace Atoll::idlc {

Parser::Parser(std::string root, std::string path, std::vector<Token> tokens, std::set<std::string> importing)
    : root_(std::move(root)), path_(path), in_(std::move(tokens), path), importing_(std::move(importing)) {
    file_.path = path;
    file_.read.push_back(path);
    file_.types = builtin_types();
    importing_.insert(path);
    read_header();
}

// The specifications declare types before the interface too. So its name and namespace are read first.
void Parser::read_header() {
    for (size_t i = 0; in_.peek(i).kind != Token::Kind::end; i++) {
        const Token& token = in_.peek(i);
        if (token.text == "{") break;
        if (token.text == "cpp_namespace" && in_.peek(i + 1).text == "(") file_.space = in_.peek(i + 2).text;
    }
    for (size_t i = 0; in_.peek(i).kind != Token::Kind::end; i++) {
        if (in_.peek(i).kind == Token::Kind::name && in_.peek(i).text == "interface") {
            file_.interface_name = in_.peek(i + 1).text;
            break;
        }
    }
    if (file_.space.empty()) file_.space = file_.interface_name;
}

Result<File> Parser::run() {
    while (!in_.at_end() && !in_.is("[") && !in_.is("interface")) {
        if (in_.is("import"))
            import();
        else
            declaration();
    }
    interface();
    if (!in_.failed() && !in_.at_end()) in_.fail("only one interface a file: put the next one into a file of its own");
    if (in_.failed()) return tl::unexpected<Error>(in_.error());
    return std::move(file_);
}

// import "path", "path";  A path is from the top; what is not there is looked for in idl/, where ms-dtyp.idl is.
void Parser::import() {
    in_.expect("import");
    do {
        const Token path = in_.next();
        if (path.kind != Token::Kind::text) return in_.fail("import wants a quoted path");
        const bool here = std::ifstream(root_ + "/" + path.text).good();
        import_file(here || !std::ifstream(root_ + "/idl/" + path.text).good() ? path.text : "idl/" + path.text);
    } while (!in_.failed() && in_.accept(","));
    in_.expect(";");
}

void Parser::import_file(const std::string& path) {
    if (importing_.count(path) != 0) return in_.fail("files import each other in a circle: " + path);
    auto other = parse_path(root_, path, importing_);
    if (!other && other.error().where == path)
        return in_.fail("import: '" + path + "' cannot be read: name it by its path from the top of the tree");
    if (!other) return in_.adopt(other.error());
    file_.imports.push_back(path);
    file_.read.insert(file_.read.end(), other->read.begin(), other->read.end());
    file_.types.merge(other->types);
    file_.constants.merge(other->constants);
}

void Parser::interface() {
    interface_attributes(parse_attributes());
    in_.expect("interface");
    (void)in_.name("the interface's name");
    in_.expect("{");
    while (!in_.at_end() && !in_.is("}")) declaration();
    in_.expect("}");
    in_.accept(";");
}

void Parser::interface_attributes(const Attributes& attributes) {
    refuse_unknown(attributes,
                   {"uuid", "version", "pointer_default", "cpp_namespace", "endpoint", "ms_union", "object", "local", "helpstring"},
                   "an interface");
    if (const auto uuid = attributes.find("uuid"); uuid != attributes.end()) {
        for (const Token& token : uuid->second) file_.uuid += token.text;
        if (!parse_guid(file_.uuid)) in_.fail("uuid wants a UUID such as 4b324fc8-1670-01d3-1278-5a47bf6ee188");
    }
    if (const auto version = attributes.find("version"); version != attributes.end() && !version->second.empty()) {
        file_.version_major = static_cast<uint16_t>(version->second.front().value);
        if (version->second.size() == 3) file_.version_minor = static_cast<uint16_t>(version->second.back().value);
    }
    if (const auto endpoint = attributes.find("endpoint"); endpoint != attributes.end()) {
        for (const Token& token : endpoint->second) {
            if (token.kind == Token::Kind::text) file_.endpoints.push_back(token.text);
        }
    }
    if (const auto kind = attributes.find("pointer_default"); kind != attributes.end() && !kind->second.empty()) {
        const std::string& text = kind->second[0].text;
        if (text != "unique" && text != "ref" && text != "ptr") in_.fail("pointer_default is unique, ref or ptr, not '" + text + "'");
        pointer_default_ = text == "ref" ? Pointer::ref : text == "ptr" ? Pointer::full : Pointer::unique;
    }
    ms_union_ = attributes.count("ms_union") != 0;
}

void Parser::declaration() {
    if (in_.is("const")) return constant();
    if (in_.is("typedef")) return type_definition();
    if (in_.is("#")) return directive();
    if (in_.is("cpp_quote")) return cpp_quote();
    if (in_.is("struct") || in_.is("enum") || in_.is("union")) {
        (void)base_type({}, "");
        return in_.expect(";");
    }
    function(parse_attributes());
}

// cpp_quote("..."): text for the C headers that MIDL makes.
void Parser::cpp_quote() {
    in_.expect("cpp_quote");
    in_.expect("(");
    while (in_.peek().kind == Token::Kind::text) in_.next();
    in_.expect(")");
    in_.accept(";");
}

// #define NAME expression, #pragma pack(n): each to the end of its line.
void Parser::directive() {
    const int line = in_.line();
    in_.expect("#");
    const bool is_define = in_.accept("define");
    if (!is_define && !(in_.accept("pragma") && in_.accept("pack")))
        return in_.fail_at(
            line, "of the preprocessor only '#define NAME value' and '#pragma pack' are supported: .idl files are not preprocessed");
    const std::string name = is_define ? in_.name("the constant's name") : "#pragma pack";
    std::vector<Token> tokens;
    while (!in_.at_end() && in_.line() == line) tokens.push_back(in_.next());
    if (!is_define && tokens.size() == 2) {  // pack()
        pack_ = 0;
        return;
    }
    if (tokens.empty()) return in_.fail_at(line, "#define " + name + " wants a value");
    Cursor cursor = cursor_over(tokens);
    const Expression e = parse_expression(cursor, names());
    if (!cursor.failed() && !cursor.at_end()) cursor.fail("the value of a #define is one expression on its line");
    if (cursor.failed()) return in_.adopt(cursor.error());
    const int64_t value = constant_of(e, line);
    if (!is_define) {
        pack_ = static_cast<size_t>(value);
        return;
    }
    const char* type = value > INT32_MAX || value < INT32_MIN ? "hyper" : value < 0 ? "long" : "DWORD";
    add_constant(name, builtin_types().at(type), value);
}

void Parser::constant() {
    in_.expect("const");
    const Type type = base_type({}, "");
    const std::string name = in_.name("the constant's name");
    in_.expect("=");
    const int64_t value = constant_expression();
    in_.expect(";");
    if (type.kind != Kind::integer) return in_.fail("a constant is an integer");
    add_constant(name, type, value);
}

void Parser::add_constant(const std::string& name, const Type& type, int64_t value) {
    if (in_.failed()) return;
    if (file_.constants.count(name) != 0) return in_.fail("constant '" + name + "' is declared twice");
    file_.constants[name] = value;
    file_.declarations.emplace_back(std::make_shared<Constant>(Constant{name, type, value}));
}

// [attributes] type name(parameters);
void Parser::function(const Attributes& attributes) {
    static const std::set<std::string> known = {"idempotent", "broadcast", "maybe", "message", "string", "unique", "ref", "ptr"};
    if (in_.peek().kind != Token::Kind::name)
        return in_.fail("expected const, typedef, struct, union, enum or a function before '" + in_.peek().text + "'");
    refuse_unknown(attributes, known, "a function");
    auto made = std::make_shared<Function>();
    made->line = in_.line();
    made->result = base_type({}, "");
    while (in_.accept("*")) made->result = pointer_to(made->result);
    while (in_.accept("__stdcall") || in_.accept("stdcall")) {
    }
    made->name = in_.name("the function's name");
    in_.expect("(");
    if (!(in_.is("void") && in_.peek(1).text == ")" && in_.accept("void")) && !in_.is(")")) parameters(*made);
    in_.expect(")");
    in_.expect(";");
    if (in_.failed()) return;
    made->opnum = file_.next_opnum++;
    const bool unused = made->result.kind == Kind::nothing && made->parameters.empty();  // OpnumNNotUsedOnWire
    if (const auto r = check(*made); !r) return in_.fail_at(made->line, r.error().text);
    if (!unused) file_.declarations.emplace_back(std::move(made));
}

void Parser::parameters(Function& made) {
    do {
        Member one = parameter();
        if (in_.failed()) return;
        if (one.type.kind != Kind::binding) made.parameters.push_back(std::move(one));
    } while (in_.accept(","));
    if (const auto r = resolve_counts(made.parameters); !r) in_.fail_at(made.line, made.name + ": " + r.error().text);
}

Member Parser::parameter() {
    static const std::set<std::string> known = {"in",        "out",    "string",  "unique",     "ref",           "ptr",       "size_is",
                                                "length_is", "max_is", "last_is", "first_is",   "range",         "switch_is", "charset",
                                                "retval",    "hex",    "secret",  "subcontext", "context_handle"};
    const Attributes attributes = parse_attributes();
    refuse_unknown(attributes, known, "a parameter");
    Member made;
    made.line = in_.line();
    made.in = attributes.count("in") != 0;
    made.out = attributes.count("out") != 0;
    made.hex = attributes.count("hex") != 0;
    made.secret = attributes.count("secret") != 0;
    made.type = declarator(base_type(attributes, ""), attributes, made.name);
    if (in_.failed() || made.type.kind == Kind::binding) return made;
    // C706 4.2.20.3: a parameter's own pointer without an attribute is a reference.
    if (made.type.kind == Kind::pointer && !made.type.pointer_said) made.type.pointer = Pointer::ref;
    check_parameter(made);
    return made;
}

void Parser::check_parameter(const Member& made) {
    const std::string what = "parameter '" + made.name + "' ";
    if (!made.in && !made.out) return in_.fail_at(made.line, what + "is neither [in] nor [out]: say which");
    if (made.out && made.type.kind != Kind::pointer && made.type.kind != Kind::array)
        return in_.fail_at(made.line, what + "is [out]: that wants a pointer or an array");
    if (made.out && !made.in && made.type.may_be_null())
        return in_.fail_at(made.line, what + "is [out] alone: its own pointer is a reference and cannot be null");
}

// [name, name(tokens), ...][more]
Attributes Parser::parse_attributes() {
    Attributes attributes;
    while (in_.accept("[")) {
        do {
            const std::string name = in_.name("an attribute");
            std::vector<Token>& arguments = attributes[name];
            if (!in_.accept("(")) continue;
            for (int depth = 1; !in_.at_end();) {
                if (in_.is("(")) depth++;
                if (in_.is(")") && --depth == 0) break;
                arguments.push_back(in_.next());
            }
            in_.expect(")");
        } while (in_.accept(","));
        in_.expect("]");
    }
    return attributes;
}

Cursor Parser::cursor_over(const std::vector<Token>& tokens) const {
    std::vector<Token> copy = tokens;
    copy.push_back({Token::Kind::end, "", 0, tokens.empty() ? in_.line() : tokens.back().line});
    return Cursor(std::move(copy), path_);
}

ExpressionNames Parser::names() {
    return {[this](const std::string& name) -> std::optional<int64_t> {
                const auto found = file_.constants.find(name);
                if (found == file_.constants.end()) return std::nullopt;
                return found->second;
            },
            [this](Cursor& in) { return size_of_type(in); }};
}

// sizeof(unsigned long)
int64_t Parser::size_of_type(Cursor& in) {
    std::string words;
    while (in.peek().kind == Token::Kind::name) words = in.next().text;
    const auto found = file_.types.find(words == "unsigned" ? "long" : words);
    if (found != file_.types.end() && found->second.kind == Kind::integer) return found->second.width;
    in.fail("sizeof takes an integer type, not '" + words + "'");
    return 0;
}

int64_t Parser::constant_of(const Expression& e, int line) {
    if (const auto value = value_of(e)) return *value;
    const auto unknown = names_of(e);
    in_.fail_at(line, unknown.empty() ? "this expression has no value"
                                      : "'" + *unknown.begin() + "' is not a constant: declare it with const, enum or #define before");
    return 0;
}

int64_t Parser::constant_expression() {
    const int line = in_.line();
    const Expression e = parse_expression(in_, names());
    return in_.failed() ? 0 : constant_of(e, line);
}

int64_t Parser::constant_limit() {
    const int line = in_.line();
    const Expression e = parse_limit(in_, names());
    return in_.failed() ? 0 : constant_of(e, line);
}

uint32_t Parser::attribute_number(const Attributes& attributes, const std::string& name, uint32_t otherwise) {
    const auto found = attributes.find(name);
    if (found == attributes.end()) return otherwise;
    const auto list = attribute_list(attributes, name);
    if (in_.failed()) return otherwise;
    if (list.size() == 1 && list[0]) return static_cast<uint32_t>(constant_of(*list[0], found->second.front().line));
    in_.fail("attribute " + name + " wants a number");
    return otherwise;
}

std::vector<ExpressionPtr> Parser::attribute_list(const Attributes& attributes, const std::string& name) {
    const auto found = attributes.find(name);
    if (found == attributes.end()) return {};
    Cursor cursor = cursor_over(found->second);
    std::vector<ExpressionPtr> list;
    do {
        const bool empty = cursor.is(",") || cursor.at_end();
        list.push_back(empty ? nullptr : std::make_shared<Expression>(parse_expression(cursor, names())));
    } while (cursor.accept(","));
    if (!cursor.failed() && !cursor.at_end())
        cursor.fail("attribute " + name + ": ',' or ')' is missing before '" + cursor.peek().text + "'");
    if (cursor.failed()) in_.adopt(cursor.error());
    return list;
}

DeclaratorAttributes Parser::declarator_attributes(const Attributes& attributes) {
    DeclaratorAttributes made{attributes, {}, nullptr, std::nullopt, 0};
    made.dimensions = {attribute_list(attributes, "size_is"), attribute_list(attributes, "max_is"), attribute_list(attributes, "length_is"),
                       attribute_list(attributes, "last_is"), attribute_list(attributes, "first_is")};
    if (const auto list = attribute_list(attributes, "switch_is"); !list.empty()) made.switch_is = list[0];
    if (const auto list = attribute_list(attributes, "range"); !list.empty() && !in_.failed()) {
        if (list.size() == 2 && list[0] && list[1])
            made.range = {constant_of(*list[0], in_.line()), constant_of(*list[1], in_.line())};
        else
            in_.fail("range wants two numbers, the lowest and the highest");
    }
    if (attributes.count("subcontext") != 0) {
        made.subcontext = attribute_number(attributes, "subcontext", 4);
        if (made.subcontext != 2 && made.subcontext != 4) in_.fail("subcontext wants 2 or 4, the bytes of its count");
    }
    return made;
}

void Parser::refuse_unknown(const Attributes& attributes, const std::set<std::string>& known, const std::string& on) {
    for (const auto& [name, arguments] : attributes) {
        if (known.count(name) == 0)
            return in_.fail("attribute '" + name + "' is not supported on " + on + ": docs/idl.md lists those that are");
    }
}

Result<File> Parser::parse_path(const std::string& root, const std::string& path, const std::set<std::string>& importing) {
    std::ifstream in(root + "/" + path, std::ios::binary);
    if (!in) return fail(Code::io, path, "cannot be read");
    const std::string source((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    auto tokens = tokenize(source, path);
    if (!tokens) return tokens.failure();
    return Parser(root, path, std::move(*tokens), importing).run();
}

Result<File> parse_file(const std::string& root, const std::string& path) { return Parser::parse_path(root, path, {}); }

Result<File> parse_source(const std::string& root, const std::string& path, const std::string& source) {
    auto tokens = tokenize(source, path);
    if (!tokens) return tokens.failure();
    return Parser(root, path, std::move(*tokens), {}).run();
}

}  // namespace Atoll::idlc
