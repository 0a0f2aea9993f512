#include "base/random.h"

#include <sys/random.h>

#include <cerrno>

#include "base/assert.h"

namespace Atoll::inline base {

void fill_random(MutableBytes out) {
    size_t done = 0;
    while (done < out.size()) {
        const ssize_t n = ::getrandom(out.data() + done, out.size() - done, 0);
        if (n < 0 && errno == EINTR) continue;
        ATOLL_ASSERT(n > 0);
        done += static_cast<size_t>(n);
    }
}

uint64_t random_u64() {
    uint8_t bytes[8];
    fill_random(bytes);
    uint64_t value = 0;
    for (const uint8_t byte : bytes) value = value << 8 | byte;
    return value;
}

}  // namespace Atoll::inline base
