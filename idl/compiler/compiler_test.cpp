#include <gtest/gtest.h>

#include "idl/compiler/check.h"
#include "idl/compiler/generate.h"
#include "idl/compiler/lexer.h"
#include "idl/compiler/parser.h"

namespace Atoll::idlc {
namespace {

std::string error_of(const std::string& body) {
    const auto file = parse_source(".", "t.idl", "interface t {\n" + body + "\n}");
    return file ? "" : file.error().message();
}

TEST(Lexer, TokensAndPositions) {
    const auto tokens = tokenize("a /* b\n */ 0x1F 12abc \"q\" // c\n << 5ul", "f");
    ASSERT_TRUE(tokens.ok());
    ASSERT_EQ(tokens->size(), 7u);
    EXPECT_EQ((*tokens)[1].value, 0x1Fu);
    EXPECT_EQ((*tokens)[1].line, 2);
    EXPECT_EQ((*tokens)[2].kind, Token::Kind::word);
    EXPECT_EQ((*tokens)[3].kind, Token::Kind::text);
    EXPECT_EQ((*tokens)[4].text, "<<");
    EXPECT_EQ((*tokens)[5].value, 5u);
    EXPECT_EQ((*tokens)[6].kind, Token::Kind::end);
}

TEST(Lexer, Errors) {
    EXPECT_EQ(tokenize("a\n/* b", "f").error().message(), "f:2: a comment does not end");
    EXPECT_EQ(tokenize("\"b\n\"", "f").error().message(), "f:1: a string does not end on its line");
    EXPECT_EQ(tokenize("$", "f").error().message(), "f:1: unexpected character '$'");
}

TEST(Parser, Errors) {
    EXPECT_EQ(error_of("typedef struct { foo x; } s;"), "t.idl:2: unknown type 'foo'");
    EXPECT_EQ(error_of("typedef struct { long x; } a; typedef struct { t.a x; } s;"), "");
    EXPECT_EQ(error_of("typedef struct { long x; } a; typedef struct { u.a x; } s;"), "t.idl:2: unknown type 'u.a'");
    EXPECT_EQ(error_of("typedef struct { long x; long x; } s;"), "t.idl:2: struct 's' names one member twice");
    EXPECT_EQ(error_of("typedef struct { long x }s;"), "t.idl:2: expected ';' before '}'");
    EXPECT_EQ(error_of("typedef struct { long class; } s;"), "t.idl:2: 'class' is a word of C++");
    EXPECT_EQ(error_of("typedef struct { [size_is(n)] long* x; } s;"), "t.idl:2: 'x': 'n' is neither a constant nor an integer beside it");
    EXPECT_EQ(error_of("typedef struct { long n; [size_is(n)] long x[]; long y; } s;"), "t.idl:2: 'x': a conformant array comes last");
    EXPECT_EQ(error_of("typedef [record, version(1)] struct { [since(2)] long n; } s;"),
              "t.idl:2: record 's' says version(1), but its members make it 2");
    EXPECT_EQ(error_of("typedef enum { A = 70000 } e;"), "t.idl:2: 'A' does not fit the enum");
    EXPECT_EQ(error_of("typedef union { [case(1)] long a; [case(1)] long b; } u;"), "t.idl:2: union 'u' has one case or arm twice");
    EXPECT_EQ(error_of("typedef struct { [string] long* x; } s;"),
              "t.idl:2: 'x': [string] belongs to a pointer to, or an array of, wchar_t or char");
    EXPECT_EQ(error_of("typedef struct _s { struct _s* x; } s;"),
              "t.idl:2: struct '_s' is not declared yet (types that contain themselves are not supported)");
    EXPECT_EQ(error_of("typedef struct { [bogus] long x; } s;"),
              "t.idl:2: attribute 'bogus' is not supported on a member: docs/idl.md lists those that are");
    EXPECT_EQ(error_of("= f();"), "t.idl:2: expected const, typedef, struct, union, enum or a function before '='");
    EXPECT_EQ(parse_source("/nonexistent", "t.idl", "import \"x.idl\"; interface t {}").error().message(),
              "t.idl:1: import: 'x.idl' cannot be read: name it by its path from the top of the tree");
}

TEST(Parser, SizesAlignmentAndLevels) {
    const auto file = parse_source(".", "t.idl",
                                   "interface t { typedef struct { [since(4)] hyper late; short a; long b[3]; optional<hyper> c; } inner;"
                                   " typedef [record, version(4)] struct { [until(2)] byte x; inner y; } outer; }");
    ASSERT_TRUE(file.ok()) << file.error().message();
    const Type& inner = file->types.at("inner");
    EXPECT_EQ(alignment(inner), 4u);  // not 8: `late` came at level 4
    EXPECT_EQ(minimum_size(inner), 2u + 12u + 1u);
    EXPECT_EQ(levels(*file->types.at("outer").structure), (std::set<uint32_t>{1, 2, 4}));
}

TEST(Parser, PointerTypedefsAndNestedDeclarations) {
    const auto file = parse_source(".", "t.idl",
                                   "interface t { typedef struct _S { DWORD Entries; [size_is(Entries)] BYTE* Buffer; } S, *PS, *LPS;"
                                   " typedef struct { LPS s; [ref] PS r; struct { long z; } inline_one; } T; }");
    ASSERT_TRUE(file.ok()) << file.error().message();
    const auto& members = file->types.at("T").structure->members;
    EXPECT_EQ(members[0].type.kind, Kind::pointer);
    EXPECT_EQ(members[0].type.pointer, Pointer::unique);
    EXPECT_EQ(members[1].type.pointer, Pointer::ref);
    EXPECT_EQ(members[2].type.structure->name, "T_inline_one");
    EXPECT_EQ(file->types.at("S").structure->members[0].counts, std::vector<std::string>{"Buffer"});
}

TEST(Parser, ErrorsOfTheDialect) {
    EXPECT_EQ(error_of("typedef struct { [size_is(x +)] long* p; long x; } s;"),
              "t.idl:2: expected a number, a constant or a name before ''");
    EXPECT_EQ(error_of("typedef struct { [size_is(x / y)] long* p; long x; long y; } s;"), "t.idl:2: a divisor is a constant other than 0");
    EXPECT_EQ(error_of("typedef struct { [length_is(x)] long* p; long x; } s;").substr(0, 23), "t.idl:2: 'p': size_is a");
    EXPECT_EQ(error_of("typedef struct { long x[]; } s;"), "t.idl:2: 'x': size_is is missing: it says how many [] holds");
    EXPECT_EQ(error_of("typedef struct { void* x; } s;"), "t.idl:2: 'x': void* is for [context_handle] alone");
    EXPECT_EQ(error_of("typedef union { [case(1)] long a; } u; typedef struct { u x; } s;"),
              "t.idl:2: 'x': switch_is is missing: it names the union's discriminant");
    EXPECT_EQ(error_of("typedef struct { long x[N]; } s;"),
              "t.idl:2: 'N' is not a constant: declare it with const, enum or #define before");
    EXPECT_EQ(error_of("#include \"x.h\""),
              "t.idl:2: of the preprocessor only '#define NAME value' and '#pragma pack' are supported: .idl files are not preprocessed");
    EXPECT_EQ(error_of("#pragma pack(4)\ntypedef struct { hyper x; } s;\n#pragma pack()"),
              "t.idl:3: struct 's' has members that #pragma pack would move: use members of that alignment");
    EXPECT_EQ(error_of("typedef struct { long x[2][]; } s;"), "t.idl:2: only the first dimension of an array may be []");
    EXPECT_EQ(error_of("typedef struct { [unique] long x; } s;"), "t.idl:2: 'x': [unique] belongs to a pointer");
}

TEST(Parser, ErrorsOfFunctions) {
    EXPECT_EQ(error_of("long f(long x);"), "t.idl:2: parameter 'x' is neither [in] nor [out]: say which");
    EXPECT_EQ(error_of("long f([out] long x);"), "t.idl:2: parameter 'x' is [out]: that wants a pointer or an array");
    EXPECT_EQ(error_of("long f([out, unique] long* x);"),
              "t.idl:2: parameter 'x' is [out] alone: its own pointer is a reference and cannot be null");
    EXPECT_EQ(error_of("long f([in] long result);"),
              "t.idl:2: 'result' is the name of what a function returns: name the parameter otherwise");
    EXPECT_EQ(error_of("long f([in, size_is(n)] long* x);"), "t.idl:2: f: 'x': 'n' is neither a constant nor an integer beside it");
    EXPECT_EQ(error_of("long f([in, bogus] long x);"),
              "t.idl:2: attribute 'bogus' is not supported on a parameter: docs/idl.md lists those that are");
}

TEST(Parser, OpnumsCountFunctionsThatAreNotOnTheWire) {
    const auto file =
        parse_source(".", "t.idl",
                     "[uuid(4b324fc8-1670-01d3-1278-5a47bf6ee188), version(3.1), endpoint(\"ncacn_np:[\\pipe\\t]\")] interface t {"
                     " void Opnum0NotUsedOnWire(void); long f([in] handle_t h, [in] long x); void Opnum2NotUsedOnWire(); long g(); }");
    ASSERT_TRUE(file.ok()) << file.error().message();
    ASSERT_EQ(file->declarations.size(), 2u);
    const auto& f = *std::get<std::shared_ptr<Function>>(file->declarations[0]);
    EXPECT_EQ(f.opnum, 1);
    EXPECT_EQ(f.parameters.size(), 1u);  // handle_t is not on the wire
    EXPECT_EQ(std::get<std::shared_ptr<Function>>(file->declarations[1])->opnum, 3);
    EXPECT_EQ(file->version_major, 3);
    EXPECT_EQ(file->version_minor, 1);
    EXPECT_EQ(file->endpoints.size(), 1u);
}

TEST(Parser, SizesOfEveryKind) {
    const auto file = parse_source(".", "t.idl",
                                   "interface t { typedef struct { unsigned short n; unsigned short k; [max_is(n), last_is(k)] long* a;"
                                   " [string, charset(UTF16)] uint16* b; [string] char* c; [size_is(2 * n)] byte* d; } s; }");
    ASSERT_TRUE(file.ok()) << file.error().message();
    const auto& members = file->types.at("s").structure->members;
    const Type& a = *members[2].type.element;
    const auto resolve = [](const std::string& name) { return name; };
    EXPECT_TRUE(a.conformant && a.varying);
    EXPECT_EQ(to_cpp(*a.size, resolve), "(idl::number(n) + uint64_t{0x1})");
    EXPECT_EQ(to_cpp(*a.length, resolve), "(idl::number(k) + uint64_t{0x1})");
    EXPECT_EQ(members[3].type.element->kind, Kind::string);
    EXPECT_EQ(members[3].type.element->width, 2u);
    EXPECT_EQ(members[4].type.element->width, 1u);
    EXPECT_TRUE(members[0].counts.empty());  // used otherwise than to count, so that it stays a member
    EXPECT_TRUE(members[0].controls);
}

TEST(Expressions, AsInC) {
    const auto value = [](const std::string& text) {
        const auto file = parse_source(".", "t.idl", "interface t { const hyper C = " + text + "; }");
        return file ? file->constants.at("C") : -12345;
    };
    EXPECT_EQ(value("1 + 2 * 3 - 4 / 2"), 5);
    EXPECT_EQ(value("(1 << 4 | 1) & 0xFF ^ 2"), 0x13);
    EXPECT_EQ(value("1 ? 2 : 3"), 2);
    EXPECT_EQ(value("3 >= 3 && 2 != 2 || !0"), 1);
    EXPECT_EQ(value("256 >> 4"), 16);
    EXPECT_EQ(value("~0 + sizeof(unsigned long)"), 3);
    EXPECT_EQ(value("-7 + TRUE"), -6);
}

}  // namespace
}  // namespace Atoll::idlc
