#include "idl/ndr.h"

#include <fmt/format.h>

#include "base/utf.h"

namespace Atoll::idl {

void NdrWriter::sid(const Sid& v) {
    align(4);
    ByteWriter out(out_);
    v.encode(out);
}

// C706 14.3.4.2: maximum count, offset, actual count, then the units with their NUL.
void NdrWriter::wide_string(std::string_view utf8) {
    const auto size = utf16le_size(utf8);
    ATOLL_ASSERT(size.has_value());
    const size_t units = *size / 2 + 1;
    ATOLL_ASSERT(units <= limits::idl_max_wide_string);
    u32(static_cast<uint32_t>(units));
    u32(0);
    u32(static_cast<uint32_t>(units));
    append_utf16le(out_, utf8);
    u16(0);
}

void NdrReader::skip_padding(size_t alignment) {
    for (const uint8_t byte : in_.bytes(alignment - (in_.position() & (alignment - 1)))) {
        if (byte != 0) fail("padding is not zero");
    }
}

bool NdrReader::boolean() {
    const uint8_t v = in_.u8();
    if (v > 1) fail("a boolean is neither 0 nor 1");
    return v == 1;
}

void NdrReader::bytes(MutableBytes out) {
    const Bytes part = in_.bytes(out.size());
    if (part.size() == out.size() && !out.empty()) std::memcpy(out.data(), part.data(), out.size());
}

Guid NdrReader::guid() {
    Guid v;
    align(4);
    in_.copy(v.bytes);
    return v;
}

Sid NdrReader::sid() {
    align(4);
    return Sid::decode(in_);
}

size_t NdrReader::checked_count(uint64_t n, size_t min_size, size_t limit) {
    if (!ok()) return 0;
    if (n > limit) {
        fail("a count is beyond its limit");
        return 0;
    }
    if (n * min_size > in_.remaining()) {
        fail("a count is beyond what the input holds");
        return 0;
    }
    return static_cast<size_t>(n);
}

void NdrReader::utf8(std::string& out, size_t limit) {
    out = as_text(in_.bytes(count(1, limit)));
    if (!is_valid_utf8(out)) fail("text is not valid UTF-8");
}

void NdrReader::path(std::string& out, size_t limit) {
    out = as_text(in_.bytes(count(1, limit)));
    if (out.find('\0') != std::string::npos) fail("a path holds a NUL");
}

void NdrReader::blob(std::vector<uint8_t>& out, size_t limit) {
    const Bytes part = in_.bytes(count(1, limit));
    out.assign(part.begin(), part.end());
}

void NdrReader::wide_string(std::string& out, size_t limit) {
    out.clear();
    const uint32_t maximum = u32();
    const uint32_t offset = u32();
    const size_t units = count(2, limit);
    if (!ok()) return;
    if (offset != 0 || units > maximum || units == 0) {
        fail("a string's counts contradict each other");
        return;
    }
    const Bytes text = in_.bytes(2 * units);
    if (load_le<uint16_t>(text.data() + text.size() - 2) != 0) fail("a string has no terminator");
    if (!utf16le_to_utf8(text.first(text.size() - 2), out)) fail("a string is not valid UTF-16");
    if (out.find('\0') != std::string::npos) fail("a string holds a NUL");
}

Result<void> NdrReader::finish(std::string_view what) {
    if (ok() && in_.remaining() > 0) fail("bytes after the end");
    if (ok()) return {};
    if (why_ == nullptr) {
        why_ = "the input ends too early, or a SID is malformed";
        failed_at_ = in_.position();
    }
    return Atoll::fail(Code::corrupt, std::string(what), fmt::format("{} (near byte {} of {})", why_, failed_at_, in_.size()));
}

void put_record_header(NdrWriter& out, uint16_t version, uint16_t tag) {
    out.u16(version);
    out.u16(tag);
}

Result<Level> get_record_header(NdrReader& in, std::string_view record, uint16_t newest, uint16_t tag) {
    const uint16_t version = in.u16();
    const uint16_t found = in.u16();
    if (!in.ok()) return Atoll::fail(Code::corrupt, std::string(record), "shorter than a record's header");
    if (found != tag)
        return Atoll::fail(Code::corrupt, std::string(record), fmt::format("tag {:#06x} belongs to another kind of record", found));
    if (version == 0) return Atoll::fail(Code::corrupt, std::string(record), "version 0");
    if (version > newest) {
        return Atoll::fail(Code::unsupported, std::string(record),
                           fmt::format("version {} was written by a newer program; this one reads up to {}", version, newest));
    }
    return Level{version};
}

}  // namespace Atoll::idl
