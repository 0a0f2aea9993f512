#include "vfs/short_name.h"

#include <cstdint>
#include <string>

#include "base/utf.h"

namespace Atoll::vfs {

namespace {

constexpr std::string_view digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
constexpr size_t mark = 6;  // where the mangling character stands

bool is_legal(char c) {  // MS-FSCC 2.1.5.2, 2.1.5.2.1
    return c > 0x20 && c < 0x7F && std::string_view("\"\\/:|<>*?").find(c) == std::string_view::npos;
}

bool is_plain(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

uint64_t hash(std::string_view text) {  // FNV-1a, of the name in upper case: the same in whatever case it is stored
    uint64_t h = 0xcbf29ce484222325;
    for (const char c : to_upper_utf8(text)) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return h ^ h >> 32;
}

}  // namespace

bool is_8_3_name(std::string_view name) {
    const size_t dot = name.find('.');
    const std::string_view base = name.substr(0, dot);
    const std::string_view extension = dot == std::string_view::npos ? std::string_view() : name.substr(dot + 1);
    if (base.empty() || base.size() > 8 || extension.size() > 3 || (dot != std::string_view::npos && extension.empty())) return false;
    for (const char c : base) {
        if (!is_legal(c)) return false;
    }
    for (const char c : extension) {
        if (!is_legal(c) || c == '.') return false;
    }
    return true;
}

bool may_be_made(std::string_view name, char mangling_char) {
    return name.size() > mark && name[mark] == mangling_char && is_8_3_name(name);
}

ShortName::ShortName(std::string_view name, char mangling_char) {
    if (is_8_3_name(name)) {
        for (const char c : name) add(c);
        return;
    }
    uint64_t h = hash(name);
    const auto digit = [&h] {
        const char c = digits[h % digits.size()];
        h /= digits.size();
        return c;
    };
    add(!name.empty() && is_plain(name[0]) ? upper(name[0]) : '_');
    while (size_ < mark) add(digit());
    add(mangling_char);
    add(digit());
    const size_t dot = name.rfind('.');
    if (dot == std::string_view::npos || dot == 0) return;
    bool first = true;
    for (const char c : name.substr(dot + 1)) {
        if (!is_plain(c)) continue;
        if (first) add('.');
        first = false;
        add(upper(c));
        if (size_ == text_.size()) return;
    }
}

}  // namespace Atoll::vfs
