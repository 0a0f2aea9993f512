// Hexadecimal text to bytes and back, for this room's tests.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"

namespace Atoll::auth {

inline std::vector<uint8_t> unhex(std::string_view text) {
    const auto digit = [](char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; };
    std::vector<uint8_t> out;
    for (size_t i = 0; i + 1 < text.size(); i += 2) out.push_back(static_cast<uint8_t>(digit(text[i]) * 16 + digit(text[i + 1])));
    return out;
}

inline std::string hex(Bytes bytes) {
    std::string out;
    for (const uint8_t b : bytes) {
        out += "0123456789abcdef"[b >> 4];
        out += "0123456789abcdef"[b & 15];
    }
    return out;
}

}  // namespace Atoll::auth
