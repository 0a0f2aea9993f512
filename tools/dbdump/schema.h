// What stands in each of our databases: how its keys read, and which records it has.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "base/result.h"
#include "idl/printer.h"
#include "idl/record_type.h"

namespace Atoll::dbdump {

using Form = idl::Printer::Form;

// A value as text or JSON, and what it is.
struct Described {
    std::string type;  // the record's name in its .idl; empty: a plain value
    std::string value;
};

struct Schema {
    std::string_view name;  // of the file, or of a database in an LMDB file
    // Prints the key; false: it is not such a key, and nothing was printed.
    bool (*print_key)(Bytes key, idl::Printer& printer);
    // Code::corrupt, or unsupported for a record that this program does not know or whose format level it does not know.
    Result<Described> (*describe)(Bytes key, Bytes value, Form form);
};

// By name; for a name that is not ours one that tells every record of ours by its header, with the name "".
const Schema& schema_of(std::string_view name);
// The names that schema_of knows.
std::span<const Schema> all_schemas();

// The key as its database has it or, where it is not such a key, as text or hexadecimal digits.
std::string describe_key(const Schema& schema, Bytes key, Form form);

}  // namespace Atoll::dbdump
