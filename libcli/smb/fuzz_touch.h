// What the fuzzers of this room share: reading every byte of a view, so that a view outside its frame is a sanitizer's finding, and
// encoding what was decoded, which must decode again.
#pragma once

#include <cstdint>

#include "libcli/smb/header.h"

namespace Atoll::smb {

inline volatile uint8_t fuzz_sink;

inline void touch(Bytes bytes) {
    uint8_t sum = 0;
    for (uint8_t b : bytes) sum = static_cast<uint8_t>(sum + b);
    fuzz_sink = sum;
}

// Encodes `value` behind a header and decodes it again with `decode`: that must succeed.
template <class T, class Decode>
void again(const T& value, Decode decode) {
    Buffer buffer;
    ByteWriter out(buffer);
    Header{}.encode(out);
    value.encode(out);
    ATOLL_ASSERT(decode(buffer.bytes()).ok());
}

// The same for a structure that stands alone.
template <class T>
void again_alone(const T& value) {
    Buffer buffer;
    ByteWriter out(buffer);
    value.encode(out);
    ATOLL_ASSERT(T::decode(buffer.bytes()).ok());
}

}  // namespace Atoll::smb
