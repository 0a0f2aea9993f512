// MD4 (RFC 1320), by which the NT hash is made; OpenSSL keeps it in a provider that may not be installed. Pure function: thread-safe.
#pragma once

#include <array>
#include <cstdint>

#include "base/buffer.h"

namespace Atoll::auth {

std::array<uint8_t, 16> md4(Bytes message);

}  // namespace Atoll::auth
