// Bounds-checked reading and writing of wire and file formats, little-endian unless the name says _be.
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>

#include "base/assert.h"
#include "base/buffer.h"

namespace Atoll::inline base {

static_assert(std::endian::native == std::endian::little, "Atoll is written for little-endian machines");

template <std::unsigned_integral T>
T load_le(const uint8_t* p) {
    T v;
    std::memcpy(&v, p, sizeof v);
    return v;
}
template <std::unsigned_integral T>
void store_le(uint8_t* p, T v) {
    std::memcpy(p, &v, sizeof v);
}
inline uint16_t load_be16(const uint8_t* p) { return __builtin_bswap16(load_le<uint16_t>(p)); }
inline uint32_t load_be32(const uint8_t* p) { return __builtin_bswap32(load_le<uint32_t>(p)); }
inline void store_be16(uint8_t* p, uint16_t v) { store_le<uint16_t>(p, __builtin_bswap16(v)); }
inline void store_be32(uint8_t* p, uint32_t v) { store_le<uint32_t>(p, __builtin_bswap32(v)); }

// Reads from a span that somebody else owns. A read past the end returns zero (or an empty span) and makes ok() false for good, so a
// decoder reads a whole structure and asks once. Nothing is ever read outside the span.
class ByteReader {
 public:
    ByteReader() = default;
    explicit ByteReader(Bytes bytes) : bytes_(bytes) {}

    [[nodiscard]] bool ok() const { return ok_; }
    void fail() { ok_ = false; }
    [[nodiscard]] size_t position() const { return position_; }
    [[nodiscard]] size_t remaining() const { return bytes_.size() - position_; }
    [[nodiscard]] size_t size() const { return bytes_.size(); }
    [[nodiscard]] Bytes all() const { return bytes_; }
    [[nodiscard]] Bytes rest() const { return bytes_.subspan(position_); }

    uint8_t u8() { return number<uint8_t>(); }
    uint16_t u16() { return number<uint16_t>(); }
    uint32_t u32() { return number<uint32_t>(); }
    uint64_t u64() { return number<uint64_t>(); }
    uint16_t u16_be() { return __builtin_bswap16(u16()); }
    uint32_t u32_be() { return __builtin_bswap32(u32()); }
    Bytes bytes(size_t n) {
        if (!has(n)) return {};
        Bytes part = bytes_.subspan(position_, n);
        position_ += n;
        return part;
    }
    void skip(size_t n) { (void)bytes(n); }
    // Moves to an absolute position; one past the end is allowed.
    void seek(size_t position) {
        if (position > bytes_.size()) {
            ok_ = false;
            return;
        }
        position_ = position;
    }
    // Skips to the next multiple of `alignment` (a power of two) of the position; not past the end.
    void align(size_t alignment) { skip((alignment - position_ % alignment) % alignment); }
    template <size_t N>
    void copy(std::array<uint8_t, N>& out) {
        Bytes part = bytes(N);
        if (part.size() == N) std::memcpy(out.data(), part.data(), N);
    }
    // The n bytes at absolute `offset` of the span, without moving; fails as a read does. For offset-and-length fields.
    Bytes at(size_t offset, size_t n) {
        if (offset > bytes_.size() || n > bytes_.size() - offset) {
            ok_ = false;
            return {};
        }
        return bytes_.subspan(offset, n);
    }

 private:
    bool has(size_t n) {
        if (n > remaining()) ok_ = false;
        return ok_;
    }
    template <class T>
    T number() {
        if (!has(sizeof(T))) return 0;
        T v = load_le<T>(bytes_.data() + position_);
        position_ += sizeof(T);
        return v;
    }

    Bytes bytes_;
    size_t position_ = 0;
    bool ok_ = true;
};

// Appends to a Buffer. Positions are relative to where the Buffer ended when the writer was made, so a structure inside a larger
// message computes its own offsets.
class ByteWriter {
 public:
    explicit ByteWriter(Buffer& out) : out_(out), base_(out.size()) {}

    [[nodiscard]] size_t position() const { return out_.size() - base_; }
    Buffer& buffer() { return out_; }

    void u8(uint8_t v) { number(v); }
    void u16(uint16_t v) { number(v); }
    void u32(uint32_t v) { number(v); }
    void u64(uint64_t v) { number(v); }
    void u16_be(uint16_t v) { number(__builtin_bswap16(v)); }
    void u32_be(uint32_t v) { number(__builtin_bswap32(v)); }
    void bytes(Bytes b) { out_.append(b); }
    void zeros(size_t n) { out_.append_zeros(n); }
    void align(size_t alignment) { zeros((alignment - position() % alignment) % alignment); }

    // Overwrites what was written at `position`.
    void patch_u8(size_t position, uint8_t v) { patch(position, v); }
    void patch_u16(size_t position, uint16_t v) { patch(position, v); }
    void patch_u32(size_t position, uint32_t v) { patch(position, v); }
    void patch_u64(size_t position, uint64_t v) { patch(position, v); }

 private:
    template <class T>
    void number(T v) {
        store_le<T>(out_.extend(sizeof v).data(), v);
    }
    template <class T>
    void patch(size_t position, T v) {
        ATOLL_ASSERT(base_ + position + sizeof v <= out_.size());
        store_le<T>(out_.data() + base_ + position, v);
    }

    Buffer& out_;
    size_t base_;
};

}  // namespace Atoll::inline base
