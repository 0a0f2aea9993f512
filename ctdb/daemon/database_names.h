// What databases are called.
#pragma once

#include <string>

#include "ctdb/protocol/node.idl.h"
#include "tdb/file/file_database.h"

namespace Atoll::ctdb {

// Of a name with its end: the numbers that administrators know of Samba's databases of the same names.
inline uint32_t id_of_database(const std::string& name) {
    return tdb::jenkins_hash(Bytes(reinterpret_cast<const uint8_t*>(name.c_str()), name.size() + 1));
}

inline bool is_database_name(const std::string& name) {
    return !name.empty() && name.size() <= protocol::MAX_DATABASE_NAME && name[0] != '.' &&
           name.find_first_of("/\0\n|:", 0, 5) == name.npos;
}

}  // namespace Atoll::ctdb
