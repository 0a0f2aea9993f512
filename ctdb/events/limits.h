#pragma once

#include <chrono>
#include <cstddef>

namespace Atoll::limits {

constexpr size_t max_event_scripts = 512;               // in one directory; more are not run
constexpr size_t max_script_output = size_t{16} << 10;  // bytes of a script's output that are kept; what follows is thrown away
constexpr size_t max_queued_events = 8192;              // that wait for the one that runs; beyond: they fail
constexpr std::chrono::seconds debug_script_time{10};   // that the debug script has, before the hung one is killed

}  // namespace Atoll::limits
