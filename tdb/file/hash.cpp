#include "tdb/file/hash.h"

#include <bit>

#include "base/bytes.h"

namespace Atoll::tdb {
namespace {

struct State {
    uint32_t a, b, c;

    void add(const uint8_t* p) {
        a += load_le<uint32_t>(p);
        b += load_le<uint32_t>(p + 4);
        c += load_le<uint32_t>(p + 8);
    }
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

}  // namespace

uint32_t default_hash(Bytes key) {
    uint32_t value = 0x238F13AFu * static_cast<uint32_t>(key.size());
    uint32_t shift = 0;
    for (const uint8_t byte : key) {
        value += static_cast<uint32_t>(byte) << shift;
        shift = (shift + 5) % 24;
    }
    return 1103515243u * value + 12345u;
}

uint32_t jenkins_hash(Bytes key) {
    const uint32_t start = 0xDEADBEEFu + static_cast<uint32_t>(key.size());
    State s{start, start, start};
    const uint8_t* p = key.data();
    size_t left = key.size();
    while (left > 12) {
        s.add(p);
        s.mix();
        p += 12;
        left -= 12;
    }
    if (left == 0) return s.c;
    uint8_t last[12] = {};
    std::memcpy(last, p, left);
    s.add(last);
    s.finish();
    return s.c;
}

}  // namespace Atoll::tdb
