#include "tdb/file/hash.h"

namespace Atoll::tdb {

uint32_t default_hash(Bytes key) {
    uint32_t value = 0x238F13AFu * static_cast<uint32_t>(key.size());
    uint32_t shift = 0;
    for (const uint8_t byte : key) {
        value += static_cast<uint32_t>(byte) << shift;
        shift = (shift + 5) % 24;
    }
    return 1103515243u * value + 12345u;
}

}  // namespace Atoll::tdb
