// The addresses that this machine's interfaces have (rtnetlink(7)).
#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "ctdb/network/ip_address.h"

namespace Atoll::ctdb {

// Those of `wanted` that are on an interface.
Result<std::vector<IpAddress>> addresses_up(std::span<const IpAddress> wanted);
// Takes them from whatever interface has them, in one step without a process. Those that are on none are none too many.
Result<void> remove_addresses(std::span<const IpAddress> unwanted);

}  // namespace Atoll::ctdb
