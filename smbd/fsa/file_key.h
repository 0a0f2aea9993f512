// The key that a stream's records have in locking.tdb and brlock.tdb.
#pragma once

#include <array>

#include "base/bytes.h"
#include "smbd/fsa/file_id.h"

namespace Atoll::fsa {

using RecordKey = std::array<uint8_t, 32>;

inline RecordKey key_of(const FileId& id) {
    RecordKey key;
    store_le(key.data(), id.volume);
    store_le(key.data() + 8, id.inode);
    store_le(key.data() + 16, id.generation);
    store_le(key.data() + 24, id.stream);
    return key;
}

// Of a key of that size.
inline FileId id_of(Bytes key) {
    return {load_le<uint64_t>(key.data()), load_le<uint64_t>(key.data() + 8), load_le<uint64_t>(key.data() + 16),
            load_le<uint64_t>(key.data() + 24)};
}

}  // namespace Atoll::fsa
