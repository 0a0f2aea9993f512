#include "tools/tdb/record_text.h"

#include <algorithm>

#include <fmt/format.h>

namespace Atoll::tools {
namespace {

constexpr size_t bytes_a_line = 16;

bool is_printable(uint8_t byte) { return byte >= 0x20 && byte < 0x7F; }

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

}  // namespace

std::string escaped(Bytes bytes) {
    std::string out;
    out.reserve(bytes.size());
    for (const uint8_t byte : bytes) {
        if (is_printable(byte) && byte != '"' && byte != '\\') {
            out += static_cast<char>(byte);
        } else {
            fmt::format_to(std::back_inserter(out), "\\{:02X}", byte);
        }
    }
    return out;
}

std::string unescaped(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); i++) {
        if (text[i] != '\\' || i + 1 == text.size()) {
            out += text[i];
            continue;
        }
        const int high = hex_digit(text[++i]);
        const int low = high >= 0 && i + 1 < text.size() ? hex_digit(text[i + 1]) : -1;
        if (high < 0) {
            out += text[i];
        } else if (low < 0) {
            out += static_cast<char>(high);
        } else {
            out += static_cast<char>(high * 16 + low);
            i++;
        }
    }
    return out;
}

bool from_hex(std::string_view text, std::string& out) {
    out.clear();
    if (text.empty() || text.size() % 2 != 0) return false;
    for (size_t i = 0; i < text.size(); i += 2) {
        const int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
        if (high < 0 || low < 0) return false;
        out += static_cast<char>(high * 16 + low);
    }
    return true;
}

std::string printable(Bytes bytes) {
    if (!bytes.empty() && bytes.back() == 0) bytes = bytes.first(bytes.size() - 1);
    std::string out;
    for (const uint8_t byte : bytes) out += is_printable(byte) ? static_cast<char>(byte) : '.';
    return out;
}

std::string hex_lines(Bytes bytes) {
    std::string out;
    for (size_t at = 0; at < bytes.size(); at += bytes_a_line) {
        const Bytes line = bytes.subspan(at, std::min(bytes_a_line, bytes.size() - at));
        fmt::format_to(std::back_inserter(out), "[{:03X}] ", at);
        for (size_t i = 0; i < bytes_a_line; i++) {
            out += i < line.size() ? fmt::format("{:02X} ", line[i]) : "   ";
            if (i == bytes_a_line / 2 - 1) out += ' ';
        }
        const Bytes left = line.first(std::min(line.size(), bytes_a_line / 2));
        fmt::format_to(std::back_inserter(out), " {} {}\n", printable(left), printable(line.subspan(left.size())));
    }
    return out;
}

}  // namespace Atoll::tools
