// What the wire tests share: a message with a header, and the check that every encoding survives a round trip and no truncation is accepted
// as the whole.
#pragma once

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

#include "base/utf.h"
#include "libcli/smb/header.h"

namespace Atoll::smb {

template <class F>
Buffer encode_message(Command command, F body) {
    Buffer buffer;
    ByteWriter out(buffer);
    Header header;
    header.command = command;
    header.encode(out);
    body(out);
    return buffer;
}

inline std::vector<uint8_t> vec(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

inline Buffer utf16(std::string_view text) { return std::move(*utf8_to_utf16le(text)); }

// Encodes, decodes, encodes again: the two encodings must agree. Every prefix shorter than the fixed part must be refused, and every prefix
// must be survived. Returns the encoding, for checks against offsets of the specification.
template <class T, class Decode>
Buffer check_message(const T& value, Decode decode) {
    Buffer first = encode_message(Command::echo, [&](ByteWriter& out) { value.encode(out); });
    auto decoded = decode(first.bytes());
    EXPECT_TRUE(decoded.ok());
    if (!decoded.ok()) return first;
    Buffer second = encode_message(Command::echo, [&](ByteWriter& out) { decoded->encode(out); });
    EXPECT_EQ(vec(first), vec(second));
    const size_t fixed = header_size + (T::structure_size & ~1u);
    for (size_t n = 0; n < first.size(); ++n) {
        std::vector<uint8_t> prefix(first.data(), first.data() + n);  // its own allocation, so that a sanitizer sees a read past it
        auto result = decode(Bytes(prefix));
        EXPECT_FALSE(n < fixed && result.ok()) << "prefix of " << n;
    }
    // Another StructureSize is refused.
    first[header_size] ^= 0x80;
    EXPECT_FALSE(decode(first.bytes()).ok());
    first[header_size] ^= 0x80;
    return first;
}

template <class T>
Buffer check_message(const T& value) {
    return check_message(value, [](Bytes message) { return T::decode(message); });
}

// The same for structures that stand alone.
template <class T, class Encode, class Decode>
Buffer check_payload(const T& value, Encode encode, Decode decode) {
    Buffer first;
    ByteWriter out(first);
    encode(value, out);
    auto decoded = decode(first.bytes());
    EXPECT_TRUE(decoded.ok());
    if (!decoded.ok()) return first;
    Buffer second;
    ByteWriter again(second);
    encode(*decoded, again);
    EXPECT_EQ(vec(first), vec(second));
    for (size_t n = 0; n < first.size(); ++n) {
        std::vector<uint8_t> prefix(first.data(), first.data() + n);
        (void)decode(Bytes(prefix));
    }
    return first;
}

template <class T>
Buffer check_payload(const T& value) {
    return check_payload(
        value, [](const T& v, ByteWriter& out) { v.encode(out); }, [](Bytes bytes) { return T::decode(bytes); });
}

}  // namespace Atoll::smb
