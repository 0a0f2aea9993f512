// What a server costs in memory, for tests that try to make it grow.
#pragma once

#include <string>

#include "torture/test.h"

namespace Atoll::torture {

// Bytes of resident memory of every process of that UNIX session: the least that was seen in two seconds, since processes of connections
// that have ended may still be ending. 0: there is no such process.
size_t resident_at_rest(Test& t, const std::string& session);

}  // namespace Atoll::torture
