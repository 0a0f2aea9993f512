#include "base/utf.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/upcase_table.h"

namespace Atoll::inline base {
namespace {

constexpr char32_t bad = 0xFFFFFFFF;

// The code point at the front of `text`, which it takes off; `bad` (taking one byte) if it is not valid UTF-8 there.
char32_t take_utf8(std::string_view& text) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = byte(0);
    size_t extra = 0;
    char32_t c = 0;
    char32_t least = 0;
    if (lead < 0x80) {
        text.remove_prefix(1);
        return lead;
    } else if (lead >= 0xC2 && lead <= 0xDF) {
        extra = 1, c = lead & 0x1F, least = 0x80;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        extra = 2, c = lead & 0x0F, least = 0x800;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        extra = 3, c = lead & 0x07, least = 0x10000;
    }
    bool valid = extra > 0 && text.size() > extra;
    for (size_t i = 1; valid && i <= extra; i++) {
        valid = (byte(i) & 0xC0) == 0x80;
        c = c << 6 | (byte(i) & 0x3F);
    }
    if (!valid || c < least || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) {
        text.remove_prefix(1);
        return bad;
    }
    text.remove_prefix(1 + extra);
    return c;
}

void append_utf8(std::string& out, char32_t c) {
    const auto put = [&](char32_t byte) { out += static_cast<char>(byte); };
    if (c < 0x80) {
        put(c);
    } else if (c < 0x800) {
        put(0xC0 | c >> 6);
        put(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        put(0xE0 | c >> 12);
        put(0x80 | (c >> 6 & 0x3F));
        put(0x80 | (c & 0x3F));
    } else {
        put(0xF0 | c >> 18);
        put(0x80 | (c >> 12 & 0x3F));
        put(0x80 | (c >> 6 & 0x3F));
        put(0x80 | (c & 0x3F));
    }
}

}  // namespace

bool utf16le_to_utf8(Bytes utf16, std::string& out) {
    out.clear();
    if (utf16.size() % 2 != 0) return false;
    for (size_t i = 0; i < utf16.size(); i += 2) {
        char32_t c = load_le<uint16_t>(utf16.data() + i);
        if (c >= 0xDC00 && c <= 0xDFFF) return false;
        if (c >= 0xD800 && c <= 0xDBFF) {
            if (i + 4 > utf16.size()) return false;
            const char32_t low = load_le<uint16_t>(utf16.data() + i + 2);
            if (low < 0xDC00 || low > 0xDFFF) return false;
            c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
            i += 2;
        }
        append_utf8(out, c);
    }
    return true;
}

std::optional<std::string> utf16le_to_utf8(Bytes utf16) {
    std::string out;
    if (!utf16le_to_utf8(utf16, out)) return std::nullopt;
    return out;
}

std::optional<size_t> utf16le_size(std::string_view utf8) {
    size_t size = 0;
    while (!utf8.empty()) {
        const char32_t c = take_utf8(utf8);
        if (c == bad) return std::nullopt;
        size += c >= 0x10000 ? 4 : 2;
    }
    return size;
}

bool is_valid_utf8(std::string_view utf8) { return utf16le_size(utf8).has_value(); }

bool append_utf16le(Buffer& out, std::string_view utf8) {
    const size_t before = out.size();
    const auto put = [&](char32_t unit) { store_le<uint16_t>(out.extend(2).data(), static_cast<uint16_t>(unit)); };
    while (!utf8.empty()) {
        const char32_t c = take_utf8(utf8);
        if (c == bad) {
            out.resize(before);
            return false;
        }
        if (c < 0x10000) {
            put(c);
        } else {
            put(0xD800 + ((c - 0x10000) >> 10));
            put(0xDC00 + ((c - 0x10000) & 0x3FF));
        }
    }
    return true;
}

std::optional<Buffer> utf8_to_utf16le(std::string_view utf8) {
    Buffer out(utf8.size() * 2);
    if (!append_utf16le(out, utf8)) return std::nullopt;
    return out;
}

char16_t to_upper(char16_t unit) { return upcase_pages[upcase_index[unit >> 8]][unit & 0xFF]; }

char32_t to_upper(char32_t c) {
    if (c < 0x10000) return to_upper(static_cast<char16_t>(c));
    const auto* row = std::lower_bound(std::begin(upcase_astral), std::end(upcase_astral), c,
                                       [](const UpcasePair& pair, char32_t value) { return pair.lower < value; });
    return row != std::end(upcase_astral) && row->lower == c ? row->upper : c;
}

std::string to_upper_utf8(std::string_view utf8) {
    std::string out;
    to_upper_utf8(utf8, out);
    return out;
}

void to_upper_utf8(std::string_view utf8, std::string& out) {
    out.clear();
    out.reserve(utf8.size());
    while (!utf8.empty()) {
        const char first = utf8.front();
        const char32_t c = take_utf8(utf8);
        if (c == bad) {
            out += first;
        } else {
            append_utf8(out, to_upper(c));
        }
    }
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    while (!a.empty() && !b.empty()) {
        const char first_a = a.front();
        const char first_b = b.front();
        const char32_t ca = take_utf8(a);
        const char32_t cb = take_utf8(b);
        if (ca == bad || cb == bad) {
            if (ca != cb || first_a != first_b) return false;
        } else if (ca != cb && to_upper(ca) != to_upper(cb)) {
            return false;
        }
    }
    return a.empty() && b.empty();
}

bool equal_ignoring_ascii_case(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace Atoll::inline base
