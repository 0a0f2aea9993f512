// UTF-8 <-> UTF-16LE, and the upper-casing by which names are compared.
//
// Conversions are strict: a lone surrogate, an overlong form or a value past U+10FFFF is an error, never a replacement character.
// Upper-casing maps each code point by the Unicode simple mapping, as NTFS's $UpCase does for the BMP; it never changes the number of
// UTF-16 units. The table is made at build time from ICU.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/buffer.h"

namespace Atoll::inline base {

// nullopt for an odd number of bytes or invalid UTF-16.
std::optional<std::string> utf16le_to_utf8(Bytes utf16);
// As above into `out` (cleared first), so that the hot path reuses its capacity. False on invalid input.
bool utf16le_to_utf8(Bytes utf16, std::string& out);

// Appends the UTF-16LE form of `utf8`. False on invalid UTF-8 (out is then left as it was).
bool append_utf16le(Buffer& out, std::string_view utf8);
std::optional<Buffer> utf8_to_utf16le(std::string_view utf8);
// Bytes that append_utf16le would add; nullopt for invalid UTF-8.
std::optional<size_t> utf16le_size(std::string_view utf8);
bool is_valid_utf8(std::string_view utf8);

char32_t to_upper(char32_t c);
char16_t to_upper(char16_t unit);
// The UTF-8 upper-case form; bytes that are not valid UTF-8 stay as they are.
std::string to_upper_utf8(std::string_view utf8);
void to_upper_utf8(std::string_view utf8, std::string& out);             // replaces `out`, whose capacity is kept
bool equal_ignoring_case(std::string_view a, std::string_view b);        // by to_upper, for file names
bool equal_ignoring_ascii_case(std::string_view a, std::string_view b);  // for protocol and configuration keywords

}  // namespace Atoll::inline base
