#include "base/guid.h"

#include <cstdio>

#include "base/bytes.h"
#include "base/random.h"

namespace Atoll::inline base {
namespace {

// Where each pair of hex digits of the text form stands in the wire form: the first three fields are little-endian.
constexpr std::array<size_t, 16> text_order = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

}  // namespace

Guid Guid::random() {
    Guid guid;
    fill_random(guid.bytes);
    guid.bytes[7] = static_cast<uint8_t>((guid.bytes[7] & 0x0F) | 0x40);
    guid.bytes[8] = static_cast<uint8_t>((guid.bytes[8] & 0x3F) | 0x80);
    return guid;
}

std::string to_string(const Guid& guid) {
    std::string text;
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
        char pair[3];
        std::snprintf(pair, sizeof pair, "%02x", guid.bytes[text_order[i]]);
        text += pair;
    }
    return text;
}

std::optional<Guid> parse_guid(std::string_view text) {
    if (text.size() == 38 && text.front() == '{' && text.back() == '}') text = text.substr(1, 36);
    if (text.size() != 36) return std::nullopt;
    Guid guid;
    size_t at = 0;
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            if (text[at++] != '-') return std::nullopt;
        }
        const int high = hex_digit(text[at]);
        const int low = hex_digit(text[at + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        guid.bytes[text_order[i]] = static_cast<uint8_t>(high << 4 | low);
        at += 2;
    }
    return guid;
}

}  // namespace Atoll::inline base
