// Ends what a node serves when its ctdbd has ended: the lease in shared memory, then each process that uses it.
#pragma once

#include <chrono>
#include <string>

namespace Atoll::ctdb {

// True: nothing that used that shared memory serves any more; also where there never was any. False: a process was not gone `in_time`.
bool end_service(const std::string& shared_memory, std::chrono::milliseconds in_time);

}  // namespace Atoll::ctdb
