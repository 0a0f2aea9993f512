#include "vfs/acl_inheritance.h"

#include <algorithm>

#include "base/assert.h"

namespace Atoll::vfs {

namespace {

constexpr uint8_t version = 2;
constexpr size_t entry_size = 6;

bool take(ByteReader& in, size_t count, AclInheritance::Entries& out) {
    out.clear();
    if (in.remaining() < count * entry_size) return false;
    for (size_t i = 0; i < count; i++) {
        AclInheritance::Entry e;
        e.flags = in.u8();
        const uint8_t who = in.u8();
        if (who > static_cast<uint8_t>(AclInheritance::Who::everyone)) return false;
        e.who = static_cast<AclInheritance::Who>(who);
        e.id = in.u32();
        out.push_back(e);
    }
    return true;
}

void put(ByteWriter& w, const AclInheritance::Entries& entries) {
    for (const AclInheritance::Entry& e : entries) {
        w.u8(e.flags);
        w.u8(static_cast<uint8_t>(e.who));
        w.u32(e.id);
    }
}

}  // namespace

uint8_t AclInheritance::flags_of(const Entries& entries, Who who, uint32_t id) {
    const auto found = std::find_if(entries.rbegin(), entries.rend(), [&](const Entry& e) { return e.who == who && e.id == id; });
    return found == entries.rend() ? uint8_t{0} : found->flags;
}

AclInheritance::Entry inheritance_entry(const PosixEntry& entry, const Stat& stat, uint8_t flags) {
    using Who = AclInheritance::Who;
    switch (entry.tag) {
        case PosixTag::user_obj: return {flags, Who::user, stat.uid};
        case PosixTag::user: return {flags, Who::user, entry.id};
        case PosixTag::group_obj: return {flags, Who::group, stat.gid};
        case PosixTag::group: return {flags, Who::group, entry.id};
        default: return {flags, Who::everyone, UINT32_MAX};
    }
}

bool decode_acl_inheritance(Bytes value, AclInheritance& out) {
    ByteReader in(value);
    if (in.u8() != version) return false;
    out.control = in.u16();
    const size_t access = in.u16(), defaults = in.u16();
    return in.ok() && take(in, access, out.access) && take(in, defaults, out.defaults) && in.remaining() == 0;
}

void encode_acl_inheritance(const AclInheritance& value, Buffer& out) {
    ATOLL_ASSERT(value.access.size() <= UINT16_MAX && value.defaults.size() <= UINT16_MAX);
    out.clear();
    ByteWriter w(out);
    w.u8(version);
    w.u16(value.control);
    w.u16(static_cast<uint16_t>(value.access.size()));
    w.u16(static_cast<uint16_t>(value.defaults.size()));
    put(w, value.access);
    put(w, value.defaults);
}

}  // namespace Atoll::vfs
