#include "idl/ndr.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/utf.h"
#include "idl/level.h"

namespace Atoll::idl {

void NdrWriter::sid(const Sid& v) {
    align(4);
    ByteWriter out(out_);
    v.encode(out);
}

// C706 14.3.4: maximum count if conformant, offset, actual count, then the units with their NUL.
void NdrWriter::wide_string(std::string_view utf8, bool conformant, size_t limit) {
    const auto size = utf16le_size(utf8);
    ATOLL_ASSERT(size.has_value());
    const size_t units = *size / 2 + 1;
    ATOLL_ASSERT(units <= limit);
    if (conformant) native(units);
    native(0);
    native(units);
    append_utf16le(out_, utf8);
    u16(0);
}

void NdrWriter::narrow_string(std::string_view text, bool conformant, size_t limit) {
    ATOLL_ASSERT(text.size() < limit);
    if (conformant) native(text.size() + 1);
    native(0);
    native(text.size() + 1);
    bytes(as_bytes(text));
    u8(0);
}

NdrWriter::Subcontext NdrWriter::begin_subcontext(unsigned count_width) {
    align(count_width);
    const Subcontext outer = {out_.size(), base_, next_referent_};
    out_.append_zeros(count_width);
    base_ = out_.size();
    next_referent_ = 0x00020000;
    return outer;
}

void NdrWriter::end_subcontext(const Subcontext& outer, unsigned count_width) {
    const size_t size = out_.size() - base_;
    ATOLL_ASSERT(count_width == 4 ? size <= UINT32_MAX : size <= UINT16_MAX);
    std::memcpy(out_.data() + outer.count_at, &size, count_width);
    base_ = outer.old_base;
    next_referent_ = outer.old_referent;
}

void NdrWriter::relative(const void* member, bool present) {
    u32(0);
    if (present) relative_[member] = out_.size() - 4;
}

void NdrWriter::begin_relative(const void* member, size_t alignment) {
    align(alignment);
    const auto slot = relative_.find(member);
    ATOLL_ASSERT(slot != relative_.end());
    store_le<uint32_t>(out_.data() + slot->second, static_cast<uint32_t>(out_.size() - base_));
    relative_.erase(slot);
}

void NdrReader::skip_padding(size_t alignment) {
    for (const uint8_t byte : in_.bytes(alignment - (in_.position() & (alignment - 1)))) {
        if (byte != 0) fail_if_strict("padding is not zero");
    }
}

bool NdrReader::boolean() {
    const uint8_t v = in_.u8();
    if (v > 1) fail_if_strict("a boolean is neither 0 nor 1");
    return v != 0;
}

uint16_t NdrReader::enum16() {
    const uint32_t v = wide_ ? u32() : u16();
    if (v > UINT16_MAX) fail("an enum's value is beyond 16 bits");
    return static_cast<uint16_t>(v);
}

void NdrReader::bytes(MutableBytes out) {
    const Bytes part = in_.bytes(out.size());
    if (part.size() == out.size() && !out.empty()) std::memcpy(out.data(), part.data(), out.size());
}

Guid NdrReader::guid() {
    Guid v;
    align(4);
    in_.copy(v.bytes);
    if (swapped_) {  // a u32, two u16 and eight bytes (MS-DTYP 2.3.4)
        std::swap(v.bytes[0], v.bytes[3]);
        std::swap(v.bytes[1], v.bytes[2]);
        std::swap(v.bytes[4], v.bytes[5]);
        std::swap(v.bytes[6], v.bytes[7]);
    }
    return v;
}

ContextHandle NdrReader::context_handle() {
    ContextHandle v;
    v.attributes = u32();
    v.uuid = guid();
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

size_t NdrReader::promised_count(uint64_t n, size_t min_size, size_t limit) {
    const size_t checked = checked_count(n, min_size, limit);
    if (checked * min_size > remaining() - std::min(promised_, remaining())) {
        fail("the counts together are beyond what the input holds");
        return 0;
    }
    promised_ += checked * min_size;
    return checked;
}

size_t NdrReader::variance(size_t min_size, size_t limit) {
    first_ = native();
    const uint64_t n = native();
    if (n > maximum_ || first_ > maximum_ - n) fail("an array's offset and actual count are beyond its maximum count");
    return checked_count(n, min_size, limit);
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

// C706 14.3.11.1: full pointers may alias, and then what they point to stands there once. No interface of ours has use for it.
bool NdrReader::full_referent() {
    const uint64_t id = native();
    if (id != 0 && !full_referents_.insert(id).second) fail("a full pointer points to what another one points to");
    return id != 0;
}

// The units of a string that follow, its NUL among them; 0 after a failure.
size_t NdrReader::string_units(bool conformant, size_t unit, size_t limit) {
    const uint64_t maximum = conformant ? native() : limit;
    const uint64_t offset = native();
    const size_t units = checked_count(native(), unit, limit);
    if (!ok()) return 0;
    if (offset != 0 || units > maximum || units == 0) {
        fail("a string's counts contradict each other");
        return 0;
    }
    return units;
}

void NdrReader::wide_string(std::string& out, bool conformant, size_t limit) {
    out.clear();
    const size_t units = string_units(conformant, 2, limit);
    if (units == 0) return;
    Bytes text = in_.bytes(2 * units);
    Buffer turned;
    if (swapped_) {
        turned.assign(text);
        for (size_t i = 0; i < turned.size(); i += 2) std::swap(turned[i], turned[i + 1]);
        text = turned;
    }
    if (load_le<uint16_t>(text.data() + text.size() - 2) != 0) fail("a string has no terminator");
    if (!utf16le_to_utf8(text.first(text.size() - 2), out)) fail("a string is not valid UTF-16");
    if (out.find('\0') != std::string::npos) fail("a string holds a NUL");
}

void NdrReader::narrow_string(std::string& out, bool conformant, size_t limit) {
    out.clear();
    const size_t units = string_units(conformant, 1, limit);
    if (units == 0) return;
    out = as_text(in_.bytes(units));
    if (out.back() != '\0') fail("a string has no terminator");
    out.pop_back();
    if (out.find('\0') != std::string::npos) fail("a string holds a NUL");
}

NdrReader::Subcontext NdrReader::begin_subcontext(unsigned count_width) {
    const size_t size = checked_count(count_width == 4 ? u32() : u16(), 1, SIZE_MAX);
    const Bytes part = in_.bytes(size);
    const Subcontext outer = {in_, promised_};
    const bool failed = !in_.ok();
    in_ = ByteReader(part);
    if (failed) in_.fail();
    promised_ = 0;
    return outer;
}

void NdrReader::end_subcontext(const Subcontext& outer) {
    if (in_.ok() && in_.remaining() > 0) fail_if_strict("bytes after the end of a subcontext");
    const bool failed = !in_.ok();
    in_ = outer.outer;
    if (failed) in_.fail();
    promised_ = outer.promised;
}

bool NdrReader::relative(const void* member) {
    const uint32_t offset = u32();
    if (offset != 0) relative_[member] = offset;
    return offset != 0;
}

size_t NdrReader::begin_relative(const void* member) {
    const size_t behind = in_.position();
    const auto offset = relative_.find(member);
    if (offset == relative_.end()) {
        fail("a relative pointer is read twice");
        return behind;
    }
    in_.seek(offset->second);
    relative_bytes_ -= in_.position();
    relative_.erase(offset);
    return behind;
}

// Offsets may point at the same bytes again and again, which would make of a small input a large object: together they may not have
// more than the input.
void NdrReader::end_relative(size_t behind) {
    relative_bytes_ += in_.position();
    if (relative_bytes_ > size_) fail("relative pointers overlap");
    if (in_.position() < behind) in_.seek(behind);
}

Result<void> NdrReader::finish(std::string_view what) {
    if (ok() && in_.remaining() > 0) fail_if_strict("bytes after the end");
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
    const Level readable = std::min<Level>(newest, newest_known_level());
    if (version > readable) {
        return Atoll::fail(Code::unsupported, std::string(record),
                           fmt::format("version {} was written by a newer program; this one reads up to {}", version, readable));
    }
    return Level{version};
}

}  // namespace Atoll::idl
