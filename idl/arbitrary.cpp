#include "idl/arbitrary.h"

#include <algorithm>
#include <array>

namespace Atoll::idl {

// SplitMix64: any seed is good, and so is every following state.
uint64_t Arbitrary::next() {
    state_ += 0x9E3779B97F4A7C15;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
}

uint64_t Arbitrary::u64() {
    switch (next() % 8) {
        case 0: return 0;
        case 1: return 1;
        case 2: return UINT64_MAX;
        case 3: return uint64_t{1} << (next() % 64);
        default: return next();
    }
}

uint64_t Arbitrary::below(uint64_t limit) { return next() % limit; }

size_t Arbitrary::count(size_t limit) { return std::min<size_t>(below(6), limit); }

Guid Arbitrary::guid() {
    Guid v;
    for (uint8_t& byte : v.bytes) byte = static_cast<uint8_t>(next());
    return v;
}

Sid Arbitrary::sid() {
    Sid v(5, {});
    v.count = static_cast<uint8_t>(1 + below(Sid::max_subauthorities));
    for (size_t i = 0; i < v.count; i++) v.sub_authorities[i] = static_cast<uint32_t>(u64());
    return v;
}

void Arbitrary::utf8(std::string& out, size_t limit) {
    static constexpr std::array<std::string_view, 8> pieces = {"a", "Z", "/", "\"", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x8C\x8A", "\n"};
    out.clear();
    for (uint64_t n = below(12); n > 0; n--) {
        const std::string_view piece = pieces[below(pieces.size())];
        if (out.size() + piece.size() <= limit) out += piece;
    }
}

void Arbitrary::path(std::string& out, size_t limit) {
    out.clear();
    for (uint64_t n = std::min<uint64_t>(below(12), limit); n > 0; n--) out += static_cast<char>(1 + below(255));
}

void Arbitrary::blob(std::vector<uint8_t>& out, size_t limit) {
    out.resize(std::min<uint64_t>(below(20), limit));
    for (uint8_t& byte : out) byte = static_cast<uint8_t>(next());
}

}  // namespace Atoll::idl
