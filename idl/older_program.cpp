// Instead of newest_level.cpp in programs that tests upgrade from: they read what the first programs read, and refuse the rest.
#include "idl/level.h"

namespace Atoll::idl {

Level newest_known_level() { return first_level; }

}  // namespace Atoll::idl
