// What the parser makes of an .idl file: types are resolved while they are parsed (a name must be declared before it is used), so that
// the generator only walks.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "idl/compiler/expression.h"

namespace Atoll::idlc {

struct Enumeration;
struct Structure;
struct Union;

enum class Kind {
    nothing,  // void
    binding,  // handle_t: a parameter that is not on the wire
    integer,
    boolean,
    enumeration,
    structure,
    union_type,
    guid,
    sid,
    nttime,
    filetime,
    context_handle,
    utf8,
    path,
    blob,
    sequence,
    optional,
    array,
    string,  // [string]: of wchar_t or char, with its NUL
    pointer,
    subcontext,  // an encoding of its own behind a count of its bytes
};

enum class Pointer { unique, ref, full, relative };

using ExpressionPtr = std::shared_ptr<const Expression>;

struct Type {
    Kind kind = Kind::integer;
    unsigned width = 4;      // integer, string's units, subcontext's count: bytes
    bool is_signed = false;  // integer
    bool character = false;  // integer: char or wchar_t, which [string] may be applied to
    bool native = false;     // integer: __int3264, 4 bytes in NDR and 8 in NDR64
    Pointer pointer = Pointer::unique;
    bool pointer_said = false;  // by an attribute, not by pointer_default
    uint64_t limit = 0;         // counted types: elements or bytes; 0: the run time's default. An array that is not conformant: its length
    // Arrays and strings (C706 14.3.3): the maximum count is on the wire; an offset and an actual count are.
    bool conformant = false;
    bool varying = false;
    ExpressionPtr size, length, first;  // of arrays
    std::string counter;                // the member that does nothing but count this array
    ExpressionPtr switch_is;            // of a union
    std::optional<std::pair<int64_t, int64_t>> range;
    std::shared_ptr<const Type> element;
    std::shared_ptr<const Enumeration> enumeration;
    std::shared_ptr<const Structure> structure;
    std::shared_ptr<const Union> union_type;

    [[nodiscard]] bool may_be_null() const { return kind == Kind::pointer && pointer != Pointer::ref; }
};

constexpr uint32_t always = 1;          // since: the first level
constexpr uint32_t never = UINT32_MAX;  // until

struct Member {
    std::string name;
    Type type;
    int line = 0;
    bool hex = false;
    bool secret = false;
    uint32_t since = always;
    uint32_t until = never;
    std::optional<int64_t> default_value;
    std::vector<std::string> counts;  // the members that this one counts; it is then no member of the C++ struct
    bool controls = false;            // an expression of size_is and its like names it
    bool in = false, out = false;     // of a parameter
};

struct Enumerator {
    std::string name;
    int64_t value = 0;
};

struct Enumeration {
    std::string name;
    std::string space;        // C++ namespace under Atoll
    unsigned width = 2;       // bytes
    bool wide_in_64 = false;  // an enum of 16 bits without [width]: 32 bits in NDR64
    bool flags = false;
    std::vector<Enumerator> enumerators;
};

struct Structure {
    std::string name;
    std::string space;
    int line = 0;
    bool record = false;
    uint32_t version = 1;
    std::vector<Member> members;
};

struct Arm {
    std::vector<int64_t> cases;
    bool is_default = false;
    std::optional<Member> member;  // an arm may be empty
};

struct Union {
    std::string name;
    std::string space;
    int line = 0;
    Type tag;
    bool tag_said = false;     // by switch_type
    std::string encapsulated;  // the discriminant's name, if it is inside
    bool ms_union = false;     // MS-RPCE 2.2.4.5
    std::vector<Arm> arms;
};

struct Constant {
    std::string name;
    Type type;
    int64_t value = 0;  // the bit pattern
};

struct Function {
    std::string name;
    int line = 0;
    uint16_t opnum = 0;
    Type result;  // Kind::nothing for void
    std::vector<Member> parameters;
};

using Declaration = std::variant<std::shared_ptr<Enumeration>, std::shared_ptr<Structure>, std::shared_ptr<Union>,
                                 std::shared_ptr<Constant>, std::shared_ptr<Function>>;

struct File {
    std::string path;  // from the top, such as smbd/xsrv/xsrv.idl
    std::string interface_name;
    std::string uuid;
    uint16_t version_major = 0;
    uint16_t version_minor = 0;
    std::vector<std::string> endpoints;
    std::string space;
    std::vector<std::string> imports;  // direct
    std::vector<std::string> read;     // all files that were read, this one included
    std::vector<Declaration> declarations;
    std::map<std::string, Type> types;         // visible names, imported ones included
    std::map<std::string, int64_t> constants;  // and enumerators
    uint16_t next_opnum = 0;
};

}  // namespace Atoll::idlc
