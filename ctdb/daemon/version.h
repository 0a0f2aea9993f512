#pragma once

namespace Atoll::ctdb {

constexpr const char* version = "0.1.0-Atoll";

}  // namespace Atoll::ctdb
