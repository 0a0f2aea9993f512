#include "libcli/smb/reparse.h"

namespace Atoll::smb {

namespace {
constexpr auto invalid = NtStatus::IO_REPARSE_DATA_INVALID;
}

Result<ReparseData, NtStatus> ReparseData::decode(Bytes bytes) {
    ByteReader in(bytes);
    ReparseData r;
    r.tag = in.u32();
    const uint16_t length = in.u16();
    in.skip(2);
    r.data = in.bytes(length);
    if (!in.ok() || in.remaining() != 0) return invalid;
    return r;
}

void ReparseData::encode(ByteWriter& out) const {
    ATOLL_ASSERT(data.size() <= 0xFFFF);
    out.u32(tag);
    out.u16(static_cast<uint16_t>(data.size()));
    out.u16(0);
    out.bytes(data);
}

Result<SymlinkReparse, NtStatus> SymlinkReparse::decode(Bytes data, uint32_t tag) {
    ByteReader in(data);
    SymlinkReparse r;
    const uint16_t substitute_offset = in.u16();
    const uint16_t substitute_length = in.u16();
    const uint16_t print_offset = in.u16();
    const uint16_t print_length = in.u16();
    if (tag == reparse_tag::symlink) r.flags = in.u32();
    ByteReader path(in.rest());
    r.substitute_name = path.at(substitute_offset, substitute_length);
    r.print_name = path.at(print_offset, print_length);
    if (!in.ok() || !path.ok() || substitute_length % 2 != 0 || print_length % 2 != 0) return invalid;
    return r;
}

void SymlinkReparse::encode(ByteWriter& out, uint32_t tag) const {
    const size_t fixed = tag == reparse_tag::symlink ? 12 : 8;
    const size_t length = fixed + substitute_name.size() + print_name.size();
    ATOLL_ASSERT(length <= 0xFFFF);
    out.u32(tag);
    out.u16(static_cast<uint16_t>(length));
    out.u16(0);
    out.u16(0);
    out.u16(static_cast<uint16_t>(substitute_name.size()));
    out.u16(static_cast<uint16_t>(substitute_name.size()));
    out.u16(static_cast<uint16_t>(print_name.size()));
    if (tag == reparse_tag::symlink) out.u32(flags);
    out.bytes(substitute_name);
    out.bytes(print_name);
}

Result<NfsReparse, NtStatus> NfsReparse::decode(Bytes data) {
    ByteReader in(data);
    NfsReparse r;
    r.type = in.u64();
    r.data = in.rest();
    if (!in.ok()) return invalid;
    const bool device = r.type == type_chr || r.type == type_blk;
    if ((device && r.data.size() != 8) || (r.type == type_symlink && r.data.size() % 2 != 0)) return invalid;
    return r;
}

void NfsReparse::encode(ByteWriter& out) const {
    ATOLL_ASSERT(data.size() <= 0xFFFF - 8);
    out.u32(reparse_tag::nfs);
    out.u16(static_cast<uint16_t>(8 + data.size()));
    out.u16(0);
    out.u64(type);
    out.bytes(data);
}

}  // namespace Atoll::smb
