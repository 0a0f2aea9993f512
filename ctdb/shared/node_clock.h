// The core's clock of this node: microseconds, never back, and on while the machine sleeps.
#pragma once

#include <ctime>

#include "ctdb/core/types.h"

namespace Atoll::ctdb {

inline Time clock_microseconds(clockid_t clock) {
    timespec t{};
    ::clock_gettime(clock, &t);
    return static_cast<Time>(t.tv_sec) * second + static_cast<Time>(t.tv_nsec) / 1000;
}
inline Time node_now() { return clock_microseconds(CLOCK_BOOTTIME); }
inline Time wall_now() { return clock_microseconds(CLOCK_REALTIME); }  // since 1970, for people

}  // namespace Atoll::ctdb
