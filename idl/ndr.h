// The run time of code that idlc generates: NDR transfer syntax (C706 chapter 14, MS-RPCE 2.2.4), little-endian, natural alignment
// counted from where the encoding starts, and the counted inline types of our own records (docs/idl.md).
//
// Nothing here throws or reads outside its input. Writers append to a Buffer and allocate only when it grows; readers refill the object
// they are given and so reuse the capacity of its strings and vectors. Objects are not thread-safe; distinct ones are independent.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/guid.h"
#include "base/limits.h"
#include "base/result.h"
#include "base/sid.h"
#include "base/time.h"

namespace Atoll::idl {

// A format level: a member marked [since(n)] is written at level n and above (docs/idl.md, "Records and levels").
using Level = uint32_t;
constexpr Level first_level = 1;
constexpr Level newest_level = UINT32_MAX;  // everything that this program knows: for plain structs, never for stored records

class NdrWriter {
 public:
    NdrWriter(Buffer& out, Level level) : out_(out), base_(out.size()), level_(level) {}

    // True if members that exist from `since` on and before `until` belong into this encoding.
    [[nodiscard]] bool has(Level since, Level until = newest_level) const {
        return level_ >= since && (level_ < until || until == newest_level);
    }

    void align(size_t alignment) {
        const size_t off = (out_.size() - base_) & (alignment - 1);
        if (off != 0) out_.append_zeros(alignment - off);
    }
    void u8(uint8_t v) { *out_.extend(1).data() = v; }
    void u16(uint16_t v) { number(v); }
    void u32(uint32_t v) { number(v); }
    void u64(uint64_t v) { number(v); }
    void boolean(bool v) { u8(v ? 1 : 0); }
    void bytes(Bytes b) { out_.append(b); }
    void guid(const Guid& v) {
        align(4);
        out_.append(v.bytes);
    }
    void sid(const Sid& v);
    void count(size_t n, size_t limit) {  // a caller that exceeds a declared limit is wrong: asserted
        ATOLL_ASSERT(n <= limit);
        u32(static_cast<uint32_t>(n));
    }
    void text(std::string_view v, size_t limit) {  // utf8 and path: u32 count of bytes, bytes
        count(v.size(), limit);
        bytes(as_bytes(v));
    }
    void blob(Bytes v, size_t limit) {
        count(v.size(), limit);
        bytes(v);
    }
    // A pointer's referent id: nonzero and different for each pointer of one encoding, or zero for a null pointer.
    void referent(bool present) { u32(present ? (next_referent_ += 4) : 0); }
    // [string] wchar_t*: a conformant varying array of UTF-16 units with its terminating NUL. Asserts valid UTF-8.
    void wide_string(std::string_view utf8);

 private:
    template <class T>
    void number(T v) {
        align(sizeof v);
        store_le<T>(out_.extend(sizeof v).data(), v);
    }

    Buffer& out_;
    size_t base_;
    Level level_;
    uint32_t next_referent_ = 0x00020000;
};

class NdrReader {
 public:
    explicit NdrReader(Bytes in, Level level = newest_level) : in_(in), level_(level) {}

    [[nodiscard]] bool ok() const { return why_ == nullptr && in_.ok(); }
    // Keeps the first reason, a literal. Every later read gives zeros and empty values.
    void fail(const char* why) {
        if (why_ == nullptr) {
            why_ = why;
            failed_at_ = in_.position();
        }
        in_.fail();
    }
    void set_level(Level level) { level_ = level; }
    [[nodiscard]] bool has(Level since, Level until = newest_level) const {
        return level_ >= since && (level_ < until || until == newest_level);
    }
    [[nodiscard]] size_t remaining() const { return in_.ok() ? in_.remaining() : 0; }

    void align(size_t alignment) {
        if ((in_.position() & (alignment - 1)) != 0) skip_padding(alignment);
    }
    uint8_t u8() { return in_.u8(); }
    uint16_t u16() {
        align(2);
        return in_.u16();
    }
    uint32_t u32() {
        align(4);
        return in_.u32();
    }
    uint64_t u64() {
        align(8);
        return in_.u64();
    }
    bool boolean();  // 0 or 1; anything else fails
    void bytes(MutableBytes out);
    Guid guid();
    Sid sid();
    // A count of elements of at least `min_size` bytes each: refused past `limit` or past what the input can hold, so that nobody
    // allocates for bytes that are not there. 0 after a failure.
    size_t count(size_t min_size, size_t limit) { return checked_count(u32(), min_size, limit); }
    size_t checked_count(uint64_t n, size_t min_size, size_t limit);
    void utf8(std::string& out, size_t limit);  // must be valid UTF-8
    void path(std::string& out, size_t limit);  // any bytes but NUL
    void blob(std::vector<uint8_t>& out, size_t limit);
    bool referent() { return u32() != 0; }
    void wide_string(std::string& out, size_t limit);
    // Call at the end: trailing bytes are refused. `what` names the type in the error (corrupt).
    Result<void> finish(std::string_view what);

 private:
    void skip_padding(size_t alignment);  // it must be zero

    ByteReader in_;
    Level level_;
    const char* why_ = nullptr;
    size_t failed_at_ = 0;
};

// The 4 bytes before a record: u16 version (the level at which this layout appeared), u16 tag (from the record's name, so that a
// record of another type is told from a damaged one).
void put_record_header(NdrWriter& out, uint16_t version, uint16_t tag);
// The version, at most `newest`. Errors: corrupt (short, other tag, version 0), unsupported (a newer version).
Result<Level> get_record_header(NdrReader& in, std::string_view record, uint16_t newest, uint16_t tag);

// idl::decode<xsrv::session_global>(bytes): a new object. On the hot path prefer decode(bytes, object), which reuses the object.
template <class T>
Result<T> decode(Bytes in) {
    T out;
    if (auto r = decode(in, out); !r) return r.failure();
    return out;
}

}  // namespace Atoll::idl
