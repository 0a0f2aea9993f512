// The one table of smb.conf parameters: loader, testparm, the manual page and the tests all read it. Source: smb.conf(5) of Debian's
// Samba 4.17 for names, scopes, kinds and defaults; directories are Atoll's own (conf/paths.h).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace Atoll::conf {

enum class Scope : uint8_t { global, share };  // share parameters in [global] become the default of every share

enum class Kind : uint8_t {
    boolean,
    integer,  // decimal, 0x, or 0 octal
    bytes,    // integer with an optional suffix K, M, G, T, P
    octal,
    character,
    string,
    upper_string,  // kept in upper case
    list,          // comma-separated when printed
    command_list,  // space-separated when printed, with "quotes" where an item has a space
    enumeration,
};

struct EnumName {
    int value = 0;
    std::string_view name;  // the first of equal values is the one that is printed
};

using Names = std::vector<std::string>;
using Value = std::variant<int64_t, std::string, Names>;  // boolean, integer, bytes, octal, enumeration: int64_t

struct Parameter {
    std::string_view name;
    Scope scope = Scope::global;
    Kind kind = Kind::string;
    std::string_view default_text;     // as it would stand in the file
    std::span<const EnumName> values;  // of an enumeration
    bool deprecated = false;
    std::string_view help;  // one line
};

struct Synonym {
    std::string_view name;
    std::string_view parameter;
    bool inverse = false;  // `writeable = yes` is `read only = no`
};

std::span<const Parameter> parameters();  // in the order that testparm prints them
std::span<const Synonym> synonyms();

using ParameterId = uint16_t;  // index into parameters()
struct Found {
    ParameterId id = 0;
    bool inverse = false;
};
// Lower case without blanks: the form in which names of parameters and options are compared.
std::string fold_name(std::string_view name);
// By name or synonym; case and blanks do not count.
std::optional<Found> find_parameter(std::string_view name);
inline const Parameter& parameter(ParameterId id) { return parameters()[id]; }

struct Parsed {
    Value value;
    std::string warning;  // not empty: the text was taken as Samba takes it, but it is odd
};
// The value that `text` stands for; an Error without a `where` if it is none. `current` is the value so far, which a comma list
// ("+one, -other") may change. As in Samba a number ends where its digits end, with a warning; unlike in Samba, a text that does not
// begin with digits, or a number past 32 bits, is an error.
Result<Parsed> parse_value(const Parameter& parameter, std::string_view text, bool inverse, const Value& current);
// The text that testparm prints for it.
std::string format_value(const Parameter& parameter, const Value& value, bool inverse = false);
const Value& default_value(ParameterId id);

// yes, true, on, 1 and no, false, off, 0.
std::optional<bool> parse_boolean(std::string_view text);
// Items separated by commas, semicolons, blanks; "quotes" keep them together.
Names split_list(std::string_view text);

}  // namespace Atoll::conf
