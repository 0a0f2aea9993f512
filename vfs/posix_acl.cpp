#include "vfs/posix_acl.h"

#include <openssl/sha.h>

#include <algorithm>

#include "base/bytes.h"
#include "vfs/acl_inheritance.h"

namespace Atoll::vfs {

namespace {

constexpr uint32_t xattr_version = 2;
constexpr size_t xattr_entry = 8;
constexpr uint32_t no_id = UINT32_MAX;
constexpr uint32_t delete_right = 0x10000, rights_of_dos_filemode = 0xD0000;

using security::Ace;
namespace file_rights = security::file_rights;
namespace ace_flag = security::ace_flag;

constexpr uint8_t handed_on_flags = ace_flag::object_inherit | ace_flag::container_inherit | ace_flag::inherit_only;

constexpr uint8_t own_flags = ace_flag::object_inherit | ace_flag::container_inherit | ace_flag::no_propagate_inherit | ace_flag::inherited;

bool is_tag(uint16_t tag) { return tag <= 0x20 && tag != 0 && (tag & (tag - 1)) == 0; }
bool has_id(PosixTag tag) { return tag == PosixTag::user || tag == PosixTag::group; }

uint32_t mask_of(uint16_t bits, bool directory, const MappingOptions& options) {
    uint32_t mask = options.dos_filemode && (bits & 2) != 0 ? rights_of_dos_filemode : 0;
    // DELETE of a file is its directory's to give.
    if (bits == 7 && options.full_control) return mask | (directory ? file_rights::all : file_rights::all & ~delete_right);
    if ((bits & 4) != 0) mask |= file_rights::generic_read;
    if ((bits & 2) != 0) mask |= file_rights::generic_write | (directory ? file_rights::delete_child : 0);
    if ((bits & 1) != 0) mask |= file_rights::generic_execute;
    return mask;
}

uint16_t mask_entry(const PosixAcl& acl) {
    for (const PosixEntry& e : acl) {
        if (e.tag == PosixTag::mask) return e.bits;
    }
    return 7;
}

// Owner first, then those who may nothing, then the others from the last to the first, everyone at the end: the order in which Samba gives
// them.
class Mapping {
 public:
    Mapping(const PosixRights& rights, const MappingOptions& options, security::IdMap& ids)
        : rights_(rights), options_(options), ids_(ids) {}

    void append(const PosixAcl& acl, bool handed_on, std::vector<Ace>& out) {
        const uint16_t mask = mask_entry(acl);
        const auto take = [&](const PosixEntry& e) {
            const bool masked = e.tag != PosixTag::user_obj && e.tag != PosixTag::other;
            add(e, masked ? e.bits & mask : e.bits, handed_on, out);
        };
        for (const PosixEntry& e : acl) {
            if (e.tag == PosixTag::user_obj) take(e);
        }
        const auto between = [](const PosixEntry& e) {
            return e.tag != PosixTag::user_obj && e.tag != PosixTag::other && e.tag != PosixTag::mask;
        };
        for (const PosixEntry& e : acl) {
            if (between(e) && (e.bits & mask) == 0) take(e);
        }
        for (auto e = acl.rbegin(); e != acl.rend(); ++e) {
            if (between(*e) && (e->bits & mask) != 0) take(*e);
        }
        for (const PosixEntry& e : acl) {
            if (e.tag == PosixTag::other) take(e);
        }
    }

 private:
    Sid trustee(const PosixEntry& e, bool handed_on) {
        switch (e.tag) {
            case PosixTag::user_obj: return handed_on ? well_known::creator_owner : ids_.user_sid(rights_.stat.uid);
            case PosixTag::group_obj: return handed_on ? well_known::creator_group : ids_.group_sid(rights_.stat.gid);
            case PosixTag::user: return ids_.user_sid(e.id);
            case PosixTag::group: return ids_.group_sid(e.id);
            default: return well_known::everyone;
        }
    }
    void add(const PosixEntry& e, int bits, bool handed_on, std::vector<Ace>& out) {
        Ace& ace = out.emplace_back();
        ace.sid = trustee(e, handed_on);
        ace.mask = mask_of(static_cast<uint16_t>(bits), rights_.stat.is_directory(), options_);
        if (rights_.inheritance != nullptr) {
            const AclInheritance& kept = *rights_.inheritance;
            const auto who = inheritance_entry(e, rights_.stat, 0);
            // Whoever may write to the file may have written the attribute: an ACE of the file itself stays one.
            ace.flags = AclInheritance::flags_of(handed_on ? kept.defaults : kept.access, who.who, who.id) & own_flags;
        }
        if (handed_on) ace.flags |= handed_on_flags;
    }

    const PosixRights& rights_;
    const MappingOptions& options_;
    security::IdMap& ids_;
};

// Where the directory itself and what it hands on say the same of somebody, one ACE says both. As Samba does it, since its hash is of the
// result: of two that give no right the second stays, and who stands behind the first is not looked at.
void join_equal(std::vector<Ace>& aces, size_t defaults_at) {
    const auto at = [&](size_t i) { return aces.begin() + static_cast<ptrdiff_t>(i); };
    for (size_t i = 0; i < defaults_at; i++) {
        const uint8_t inherited = aces[i].flags & ace_flag::inherited;
        if (aces[i].flags != inherited) continue;
        const auto same = std::find_if(at(defaults_at), aces.end(), [&](const Ace& ace) {
            return ace.sid == aces[i].sid && ace.mask == aces[i].mask && ace.flags == (handed_on_flags | inherited);
        });
        if (same == aces.end()) continue;
        const bool gives_nothing = aces[i].mask == 0;
        Ace& stays = gives_nothing ? *same : aces[i];
        stays.flags = inherited | ace_flag::object_inherit | ace_flag::container_inherit;
        aces.erase(gives_nothing ? at(i) : same);
        if (gives_nothing) defaults_at--;
    }
}

// Who has rights here and hands them on stands before the rest, and what is inherited behind it.
void sort_by_flags(std::vector<Ace>& aces) {
    std::stable_partition(aces.begin(), aces.end(), [](const Ace& ace) {
        return (ace.flags & (ace_flag::object_inherit | ace_flag::container_inherit)) != 0 && (ace.flags & ace_flag::inherit_only) == 0;
    });
    std::stable_partition(aces.begin(), aces.end(), [](const Ace& ace) { return (ace.flags & ace_flag::inherited) == 0; });
}

uint16_t control_of(const PosixRights& rights) {
    constexpr uint16_t kept = security::control::dacl_protected | security::control::dacl_auto_inherited;
    return rights.inheritance == nullptr ? security::control::dacl_protected : static_cast<uint16_t>(rights.inheritance->control & kept);
}

// Structure smb_acl_t of docs/formats/ntacl.md.
void put_acl(ByteWriter& w, const PosixAcl& acl) {
    w.align(4);
    w.u32(static_cast<uint32_t>(acl.size()));
    w.align(8);
    w.u32(static_cast<uint32_t>(acl.size()));
    w.u32(0);
    for (const PosixEntry& e : acl) {
        uint16_t type = 0;
        switch (e.tag) {
            case PosixTag::user: type = 1; break;
            case PosixTag::user_obj: type = 2; break;
            case PosixTag::group: type = 3; break;
            case PosixTag::group_obj: type = 4; break;
            case PosixTag::other: type = 5; break;
            case PosixTag::mask: type = 6; break;
        }
        w.align(8);
        w.u16(type);
        w.u16(type);
        if (has_id(e.tag)) {
            w.align(8);
            w.u64(e.id);
        }
        w.u32(e.bits);
    }
}

}  // namespace

bool decode_posix_acl(Bytes value, PosixAcl& out) {
    out.clear();
    ByteReader in(value);
    if (in.u32() != xattr_version || in.remaining() % xattr_entry != 0) return false;
    while (in.remaining() > 0) {
        PosixEntry e;
        const uint16_t tag = in.u16();
        e.bits = in.u16() & 7;
        e.id = in.u32();
        if (!is_tag(tag)) return false;
        e.tag = static_cast<PosixTag>(tag);
        if (!has_id(e.tag)) e.id = 0;
        out.push_back(e);
    }
    return in.ok();
}

void encode_posix_acl(const PosixAcl& acl, Buffer& out) {
    out.clear();
    ByteWriter w(out);
    w.u32(xattr_version);
    for (const PosixEntry& e : acl) {
        w.u16(static_cast<uint16_t>(e.tag));
        w.u16(e.bits);
        w.u32(has_id(e.tag) ? e.id : no_id);
    }
}

void posix_acl_of_mode(uint32_t mode, PosixAcl& out) {
    out.clear();
    out.push_back({PosixTag::user_obj, static_cast<uint16_t>(mode >> 6 & 7), 0});
    out.push_back({PosixTag::group_obj, static_cast<uint16_t>(mode >> 3 & 7), 0});
    out.push_back({PosixTag::other, static_cast<uint16_t>(mode & 7), 0});
}

MappingOptions mapping_options(const Options& options) { return {options.acl_map_full_control, options.dos_filemode}; }

bool descriptor_of_posix(const PosixRights& rights, const MappingOptions& options, security::IdMap& ids,
                         security::SecurityDescriptor& out) {
    out.resource_control = 0;
    out.control = security::control::dacl_present | control_of(rights);
    out.owner = ids.user_sid(rights.stat.uid);
    out.group = ids.group_sid(rights.stat.gid);
    out.sacl.reset();
    if (!out.dacl) out.dacl.emplace();
    out.dacl->revision = 2;
    std::vector<Ace>& aces = out.dacl->aces;
    aces.clear();
    Mapping mapping(rights, options, ids);
    mapping.append(rights.access, false, aces);
    if (!rights.defaults.empty()) {
        const size_t defaults_at = aces.size();
        mapping.append(rights.defaults, true, aces);
        join_equal(aces, defaults_at);
    }
    sort_by_flags(aces);
    return security::encoded_size(out) <= UINT16_MAX;
}

void hash_posix_rights(const PosixRights& rights, std::array<uint8_t, 64>& out) {
    Buffer bytes;
    ByteWriter w(bytes);
    w.u32(0x00020000);
    w.u32(rights.stat.is_directory() ? 0x00020004 : 0);
    w.u64(rights.stat.uid);
    w.u64(rights.stat.gid);
    w.u32(rights.stat.mode);
    put_acl(w, rights.access);
    if (rights.stat.is_directory()) put_acl(w, rights.defaults);
    out.fill(0);
    ::SHA256(bytes.data(), bytes.size(), out.data());
}

}  // namespace Atoll::vfs
