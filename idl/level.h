// Format levels (docs/idl.md, "Records and levels"): which this program reads, and the one at which this process writes.
#pragma once

#include "base/shared_word.h"
#include "idl/ndr.h"

namespace Atoll::idl {

// The newest that this program reads; it reads all below. A record of a newer one is refused with Code::unsupported. Alone in its file, so
// that a program of another age can be linked for tests.
Level newest_known_level();

// At which this process writes whatever another process, another node or a later start reads. first_level until it is told; never higher
// than what all of those read. Any thread.
Level written_level();
void set_written_level(Level level);
// What stands there from now on, which somebody else raises. Until set_written_level(), `level` must stay.
void follow_written_level(const Shared<uint32_t>& level);

}  // namespace Atoll::idl
