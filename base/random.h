// Random bytes from the kernel (getrandom). Safe after fork: nothing is kept in the process.
#pragma once

#include <cstdint>

#include "base/buffer.h"

namespace Atoll::inline base {

void fill_random(MutableBytes out);
uint64_t random_u64();

}  // namespace Atoll::inline base
