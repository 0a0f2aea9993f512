#include "libcli/auth/md4.h"

#include <bit>
#include <cstring>

#include "base/bytes.h"

namespace Atoll::auth {
namespace {

using State = std::array<uint32_t, 4>;
constexpr size_t block_size = 64;

// RFC 1320 3.4: three rounds of sixteen steps; `order` picks the word, `shifts` repeats every four steps.
void transform(State& state, const uint8_t* block) {
    static constexpr uint8_t order[3][16] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
                                             {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15},
                                             {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15}};
    static constexpr int shifts[3][4] = {{3, 7, 11, 19}, {3, 5, 9, 13}, {3, 9, 11, 15}};
    static constexpr uint32_t constants[3] = {0, 0x5A827999, 0x6ED9EBA1};
    uint32_t x[16];
    for (size_t i = 0; i < 16; i++) x[i] = load_le<uint32_t>(block + 4 * i);
    auto [a, b, c, d] = state;
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < 16; i++) {
            const uint32_t mixed = round == 0 ? (b & c) | (~b & d) : round == 1 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
            const uint32_t next = std::rotl(a + mixed + x[order[round][i]] + constants[round], shifts[round][i % 4]);
            a = d;
            d = c;
            c = b;
            b = next;
        }
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
}

}  // namespace

std::array<uint8_t, 16> md4(Bytes message) {
    State state = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476};
    size_t at = 0;
    for (; message.size() - at >= block_size; at += block_size) transform(state, message.data() + at);

    // RFC 1320 3.1, 3.2: a one bit, zeros, the length in bits.
    uint8_t tail[2 * block_size] = {};
    const size_t left = message.size() - at;
    if (left > 0) std::memcpy(tail, message.data() + at, left);
    tail[left] = 0x80;
    const size_t tail_size = left + 9 <= block_size ? block_size : 2 * block_size;
    store_le<uint64_t>(tail + tail_size - 8, uint64_t{message.size()} * 8);
    for (size_t i = 0; i < tail_size; i += block_size) transform(state, tail + i);

    std::array<uint8_t, 16> digest;
    for (size_t i = 0; i < 4; i++) store_le<uint32_t>(digest.data() + 4 * i, state[i]);
    return digest;
}

}  // namespace Atoll::auth
