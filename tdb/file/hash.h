// The two hash functions of TDB files.
#pragma once

#include <cstdint>

#include "base/buffer.h"

namespace Atoll::tdb {

using HashFunction = uint32_t (*)(Bytes);

// The one of old files: a sum of shifted bytes and one linear congruential step.
uint32_t default_hash(Bytes key);
// Bob Jenkins' lookup3 (public domain), hashlittle with initial value 0.
uint32_t jenkins_hash(Bytes key);

}  // namespace Atoll::tdb
