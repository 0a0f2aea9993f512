// The run time of code that idlc generates: the transfer syntaxes NDR (C706 chapter 14, MS-RPCE 2.2.4) and NDR64 (MS-RPCE 2.2.5), with
// natural alignment counted from where the encoding starts, and the counted inline types of our own records (docs/idl.md). Everything is
// written little-endian; stubs of RPC are read in either byte order.
//
// Nothing here throws or reads outside its input. Writers append to a Buffer and allocate only when it grows; readers refill the object
// they are given and so reuse the capacity of its strings and vectors. Objects are not thread-safe; distinct ones are independent.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
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

// How a stub is written, and how a peer wrote one. Records and messages of our own are NDR.
enum class Syntax : uint8_t { ndr, ndr64 };
struct StubFormat {
    Syntax syntax = Syntax::ndr;
    bool big_endian = false;  // the data representation of the PDU (C706 14.1)
};

// [context_handle] (C706 14.3, "context handles"; 20 bytes): all zeros is the null handle.
struct ContextHandle {
    uint32_t attributes = 0;
    Guid uuid;
    bool operator==(const ContextHandle&) const = default;
};

class NdrWriter {
 public:
    // A record, a message: strict, at a level.
    NdrWriter(Buffer& out, Level level) : out_(out), base_(out.size()), level_(level) {}
    // The stub of a request or a response.
    NdrWriter(Buffer& out, Syntax syntax)
        : out_(out), base_(out.size()), level_(newest_level), strict_(false), wide_(syntax == Syntax::ndr64) {}

    // False in a stub: what a client asked for must not end the program that answers it (docs/idl.md, "Functions").
    [[nodiscard]] bool strict() const { return strict_; }
    [[nodiscard]] bool is_ndr64() const { return wide_; }
    // True if members that exist from `since` on and before `until` belong into this encoding.
    [[nodiscard]] bool has(Level since, Level until = newest_level) const {
        return level_ >= since && (level_ < until || until == newest_level);
    }

    void align(size_t alignment) {
        const size_t off = (out_.size() - base_) & (alignment - 1);
        if (off != 0) out_.append_zeros(alignment - off);
    }
    void align(size_t ndr, size_t ndr64) { align(wide_ ? ndr64 : ndr); }
    void align_ndr64(size_t alignment) {  // the trailing gap of a structure (MS-RPCE 2.2.5.3.4.1)
        if (wide_) align(alignment);
    }
    void u8(uint8_t v) { *out_.extend(1).data() = v; }
    void u16(uint16_t v) { number(v); }
    void u32(uint32_t v) { number(v); }
    void u64(uint64_t v) { number(v); }
    void enum16(uint16_t v) { wide_ ? u32(v) : u16(v); }                         // MS-RPCE 2.2.5.2
    void native(uint64_t v) { wide_ ? u64(v) : u32(static_cast<uint32_t>(v)); }  // __int3264, counts and referents
    void boolean(bool v) { u8(v ? 1 : 0); }
    void bytes(Bytes b) { out_.append(b); }
    void guid(const Guid& v) {
        align(4);
        out_.append(v.bytes);
    }
    void context_handle(const ContextHandle& v) {
        u32(v.attributes);
        guid(v.uuid);
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
    void referent(bool present) {
        native(present ? next_referent_ : 0);
        if (present) next_referent_ += 4;
    }
    // What stands before an array's elements (C706 14.3.3).
    void conformance(size_t n, size_t limit) {
        ATOLL_ASSERT(n <= limit);
        native(n);
    }
    void variance(uint64_t first, size_t n, size_t limit) {
        ATOLL_ASSERT(n <= limit);
        native(first);
        native(n);
    }
    // [string]: a varying array of UTF-16 units or bytes with its terminating NUL, its maximum count before it if it is conformant.
    // wide_string asserts valid UTF-8.
    void wide_string(std::string_view utf8, bool conformant, size_t limit);
    void narrow_string(std::string_view text, bool conformant, size_t limit);

    // [subcontext(n)]: what is written between the two is an encoding of its own behind a count of n bytes.
    struct Subcontext {
        size_t count_at;
        size_t old_base;
        uint32_t old_referent;
    };
    [[nodiscard]] Subcontext begin_subcontext(unsigned count_width);
    void end_subcontext(const Subcontext& outer, unsigned count_width);
    // [relative]: `member` is the pointer's address, by which the deferred half finds the place of its offset.
    void relative(const void* member, bool present);
    void begin_relative(const void* member, size_t alignment);

 private:
    template <class T>
    void number(T v) {
        align(sizeof v);
        store_le<T>(out_.extend(sizeof v).data(), v);
    }

    Buffer& out_;
    size_t base_;
    Level level_;
    bool strict_ = true;
    bool wide_ = false;
    uint32_t next_referent_ = 0x00020000;
    std::unordered_map<const void*, size_t> relative_;
};

class NdrReader {
 public:
    explicit NdrReader(Bytes in, Level level = newest_level) : in_(in), size_(in.size()), level_(level) {}
    NdrReader(Bytes in, StubFormat format)
        : in_(in),
          size_(in.size()),
          level_(newest_level),
          strict_(false),
          wide_(format.syntax == Syntax::ndr64),
          swapped_(format.big_endian) {}

    [[nodiscard]] bool ok() const { return why_ == nullptr && in_.ok(); }
    // Keeps the first reason, a literal. Every later read gives zeros and empty values.
    void fail(const char* why) {
        if (why_ == nullptr) {
            why_ = why;
            failed_at_ = in_.position();
        }
        in_.fail();
    }
    // What a stub may hold and a record may not: values that an enum or a union does not declare.
    void fail_if_strict(const char* why) {
        if (strict_) fail(why);
    }
    void set_level(Level level) { level_ = level; }
    [[nodiscard]] bool has(Level since, Level until = newest_level) const {
        return level_ >= since && (level_ < until || until == newest_level);
    }
    [[nodiscard]] size_t remaining() const { return in_.ok() ? in_.remaining() : 0; }

    void align(size_t alignment) {
        if ((in_.position() & (alignment - 1)) != 0) skip_padding(alignment);
    }
    void align(size_t ndr, size_t ndr64) { align(wide_ ? ndr64 : ndr); }
    void align_ndr64(size_t alignment) {
        if (wide_) align(alignment);
    }
    uint8_t u8() { return in_.u8(); }
    uint16_t u16() {
        align(2);
        const uint16_t v = in_.u16();
        return swapped_ ? __builtin_bswap16(v) : v;
    }
    uint32_t u32() {
        align(4);
        const uint32_t v = in_.u32();
        return swapped_ ? __builtin_bswap32(v) : v;
    }
    uint64_t u64() {
        align(8);
        const uint64_t v = in_.u64();
        return swapped_ ? __builtin_bswap64(v) : v;
    }
    uint16_t enum16();
    uint64_t native() { return wide_ ? u64() : u32(); }
    bool boolean();  // 0 or 1; in a stub anything but 0 is true
    void bytes(MutableBytes out);
    Guid guid();
    ContextHandle context_handle();
    Sid sid();
    // A count of elements of at least `min_size` bytes each: refused past `limit` or past what the input can hold, so that nobody
    // allocates for bytes that are not there. 0 after a failure.
    size_t count(size_t min_size, size_t limit) { return checked_count(u32(), min_size, limit); }
    size_t checked_count(uint64_t n, size_t min_size, size_t limit);
    // The same for elements that come later, behind a pointer: their bytes are promised, and no other promise may have them.
    size_t promised_count(uint64_t n, size_t min_size, size_t limit);
    void keep_promise(size_t n, size_t min_size) { promised_ -= n * min_size; }
    void utf8(std::string& out, size_t limit);  // must be valid UTF-8
    void path(std::string& out, size_t limit);  // any bytes but NUL
    void blob(std::vector<uint8_t>& out, size_t limit);
    bool referent() { return native() != 0; }
    bool full_referent();  // of [ptr]: two that point to the same are refused
    // The maximum count of a conformant array, whose elements follow.
    size_t conformance(size_t min_size, size_t limit) { return checked_count(native(), min_size, limit); }
    // The maximum count of a conformant varying array: only what is there is counted, by variance().
    void maximum() { maximum_ = native(); }
    void maximum(uint64_t n) { maximum_ = n; }  // of an array whose size is in the .idl
    // The offset, which must be the last maximum() at most, and the actual count.
    size_t variance(size_t min_size, size_t limit);
    [[nodiscard]] uint64_t first() const { return first_; }  // the offset of the last variance()
    void wide_string(std::string& out, bool conformant, size_t limit);
    void narrow_string(std::string& out, bool conformant, size_t limit);

    struct Subcontext {
        ByteReader outer;
        size_t promised;
    };
    [[nodiscard]] Subcontext begin_subcontext(unsigned count_width);
    void end_subcontext(const Subcontext& outer);
    bool relative(const void* member);          // false: null
    size_t begin_relative(const void* member);  // goes there; what it returns is for end_relative
    void end_relative(size_t behind);

    // Call at the end: trailing bytes are refused, but behind a stub, where clients leave padding and trailers (MS-RPCE 2.2.2.13). `what`
    // names the type in the error (corrupt).
    Result<void> finish(std::string_view what);

 private:
    void skip_padding(size_t alignment);  // it must be zero in a record
    size_t string_units(bool conformant, size_t unit, size_t limit);

    ByteReader in_;
    size_t size_;
    Level level_;
    bool strict_ = true;
    bool wide_ = false;
    bool swapped_ = false;
    const char* why_ = nullptr;
    size_t failed_at_ = 0;
    size_t promised_ = 0;
    uint64_t maximum_ = 0;
    uint64_t first_ = 0;
    size_t relative_bytes_ = 0;
    std::unordered_map<const void*, size_t> relative_;
    std::unordered_set<uint64_t> full_referents_;
};

// What size_is and its like compute with (MS-RPCE 2.2.4.7): the value of a member, of what a pointer points to (0 for null).
template <class T>
uint64_t number(const T& v) {
    if constexpr (std::is_enum_v<T>)
        return static_cast<uint64_t>(v);
    else
        return static_cast<uint64_t>(static_cast<std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>(v));
}
template <class T>
uint64_t number(const std::optional<T>& v) {
    return v ? number(*v) : 0;
}
template <class T>
bool truth(const T& v) {
    return number(v) != 0;
}
template <class T>
bool truth(const std::optional<T>& v) {
    return v.has_value();
}
// [range]
template <class T>
bool within(const T& v, int64_t lowest, int64_t highest) {
    const auto n = static_cast<int64_t>(number(v));
    return n >= lowest && n <= highest;
}
// How many elements to write of an array that has `have` and should have `wanted`: in a stub, missing ones are filled up, up to `limit`.
inline size_t elements_to_put(const NdrWriter& ndr, uint64_t wanted, size_t have, size_t limit) {
    ATOLL_ASSERT(!ndr.strict() || wanted == have);
    return wanted > have && wanted <= limit ? static_cast<size_t>(wanted) : have;
}
// A counter and the arrays that it counts: of a null pointer it says nothing.
template <class T>
bool counts(uint64_t n, const std::vector<T>& v) {
    return v.size() == n;
}
template <class T>
bool counts(uint64_t n, const std::optional<T>& v) {
    return !v || counts(n, *v);
}
// The size of those that are there, asserted to be the same for all; 0 if none is.
template <class... V>
size_t common_size(const V&... v) {
    size_t size = 0;
    const auto look = [&size](const auto& one) {
        if constexpr (requires { one->size(); })
            size = one ? one->size() : size;
        else
            size = one.size();
    };
    (look(v), ...);
    ATOLL_ASSERT((counts(size, v) && ...));
    return size;
}

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
