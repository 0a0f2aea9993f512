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

namespace Atoll::idlc {

struct Enumeration;
struct Structure;
struct Union;

enum class Kind {
    integer,
    boolean,
    enumeration,
    structure,
    union_type,
    guid,
    sid,
    nttime,
    filetime,
    utf8,
    path,
    blob,
    sequence,
    optional,
    array,
    conformant,      // T x[] with size_is
    pointer,         // T*
    sized_pointer,   // T* with size_is
    string_pointer,  // [string] wchar_t*
};

struct Type {
    Kind kind = Kind::integer;
    unsigned width = 4;      // integer: bytes
    bool is_signed = false;  // integer
    bool wide_char = false;  // integer: wchar_t, which [string] may point to
    bool unique = true;      // pointers: may be null
    uint64_t limit = 0;      // counted types: elements or bytes; 0: the run time's default. array: its length
    std::shared_ptr<const Type> element;
    std::shared_ptr<const Enumeration> enumeration;
    std::shared_ptr<const Structure> structure;
    std::shared_ptr<const Union> union_type;
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
    std::string size_is;              // the member that counts this one's elements
    std::string switch_is;            // the member that selects this union's arm
    std::vector<std::string> counts;  // the members that this one counts; it is then no member of the C++ struct
};

struct Enumerator {
    std::string name;
    int64_t value = 0;
};

struct Enumeration {
    std::string name;
    std::string space;   // C++ namespace under Atoll
    unsigned width = 2;  // bytes
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
    std::vector<Arm> arms;
};

struct Constant {
    std::string name;
    Type type;
    int64_t value = 0;  // the bit pattern
};

using Declaration =
    std::variant<std::shared_ptr<Enumeration>, std::shared_ptr<Structure>, std::shared_ptr<Union>, std::shared_ptr<Constant>>;

struct File {
    std::string path;  // from the top, such as smbd/xsrv/xsrv.idl
    std::string interface_name;
    std::string space;
    std::vector<std::string> imports;  // direct
    std::vector<std::string> read;     // all files that were read, this one included
    std::vector<Declaration> declarations;
    std::map<std::string, Type> types;         // visible names, imported ones included
    std::map<std::string, int64_t> constants;  // and enumerators
};

}  // namespace Atoll::idlc
