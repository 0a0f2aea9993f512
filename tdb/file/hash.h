// The two hash functions of TDB files.
#pragma once

#include <bit>
#include <cstdint>

#include "base/buffer.h"
#include "base/bytes.h"

namespace Atoll::tdb {

using HashFunction = uint32_t (*)(Bytes);

// The one of old files: a sum of shifted bytes and one linear congruential step.
uint32_t default_hash(Bytes key);

// Bob Jenkins' lookup3 (public domain), hashlittle with initial value 0. Here, since every operation on a database begins with it.
namespace lookup3 {

struct State {
    uint32_t a, b, c;

    void mix() {
        a -= c;
        a ^= std::rotl(c, 4);
        c += b;
        b -= a;
        b ^= std::rotl(a, 6);
        a += c;
        c -= b;
        c ^= std::rotl(b, 8);
        b += a;
        a -= c;
        a ^= std::rotl(c, 16);
        c += b;
        b -= a;
        b ^= std::rotl(a, 19);
        a += c;
        c -= b;
        c ^= std::rotl(b, 4);
        b += a;
    }
    void finish() {
        c ^= b;
        c -= std::rotl(b, 14);
        a ^= c;
        a -= std::rotl(c, 11);
        b ^= a;
        b -= std::rotl(a, 25);
        c ^= b;
        c -= std::rotl(b, 16);
        a ^= c;
        a -= std::rotl(c, 4);
        b ^= a;
        b -= std::rotl(a, 14);
        c ^= b;
        c -= std::rotl(b, 24);
    }
};

// Up to four bytes as a number.
inline uint32_t word(const uint8_t* p, size_t length) {
    if (length >= 4) return load_le<uint32_t>(p);
    if (length == 0) return 0;
    const size_t middle = length / 2, last = length - 1;  // the same byte more than once, where there are not three
    return static_cast<uint32_t>(p[0]) | static_cast<uint32_t>(p[middle]) << (8 * middle) | static_cast<uint32_t>(p[last]) << (8 * last);
}

}  // namespace lookup3

inline uint32_t jenkins_hash(Bytes key) {
    const uint32_t start = 0xDEADBEEFu + static_cast<uint32_t>(key.size());
    lookup3::State s{start, start, start};
    const uint8_t* p = key.data();
    size_t left = key.size();
    for (; left > 12; p += 12, left -= 12) {
        s.a += load_le<uint32_t>(p);
        s.b += load_le<uint32_t>(p + 4);
        s.c += load_le<uint32_t>(p + 8);
        s.mix();
    }
    if (left == 0) return s.c;
    s.a += lookup3::word(p, left);
    if (left > 4) s.b += lookup3::word(p + 4, left - 4);
    if (left > 8) s.c += lookup3::word(p + 8, left - 8);
    s.finish();
    return s.c;
}

}  // namespace Atoll::tdb
