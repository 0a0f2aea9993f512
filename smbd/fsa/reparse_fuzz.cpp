// A reparse buffer as a client sends it: what is taken from it lies within it.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "smbd/fsa/limits.h"
#include "smbd/fsa/reparse.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace Atoll;
    const auto point = fsa::ReparsePoint::decode(Bytes(data, size));
    if (!point) return 0;
    constexpr size_t header = 8, guid = 16;
    ATOLL_ASSERT(size <= limits::max_reparse_buffer);
    ATOLL_ASSERT(point->data.size() + header + (point->is_microsoft() ? 0 : guid) == size);
    return 0;
}
