#pragma once

namespace Atoll::ctdb {

constexpr const char* version = "0.1.0-Atoll";  // of ctdbd and ctdb, as `ctdb version` says it

}  // namespace Atoll::ctdb
