// `map acl inherit`: the inheritance flags of a DACL that is kept as POSIX ACLs, in Samba's attribute (docs/formats/samba_pai.md).
#pragma once

#include <cstdint>
#include <vector>

#include "base/buffer.h"
#include "base/bytes.h"
#include "vfs/posix_acl.h"

namespace Atoll::vfs {

inline constexpr const char* acl_inheritance_xattr = "user.SAMBA_PAI";

struct AclInheritance {
    enum class Who : uint8_t { user = 0, group = 1, everyone = 2 };
    struct Entry {
        uint8_t flags = 0;  // security::ace_flag
        Who who = Who::everyone;
        uint32_t id = 0;  // uid or gid, CREATOR OWNER's and GROUP's those of the file; of everyone UINT32_MAX
        bool operator==(const Entry&) const = default;
    };
    using Entries = std::vector<Entry>;

    uint16_t control = 0;  // security::control
    Entries access, defaults;
    bool operator==(const AclInheritance&) const = default;

    // Of several entries of one trustee the last counts; 0 where there is none.
    static uint8_t flags_of(const Entries& entries, Who who, uint32_t id);
};

// Whom an entry of a file's POSIX ACL (not a mask) is about.
AclInheritance::Entry inheritance_entry(const PosixEntry& entry, const Stat& stat, uint8_t flags);

// The attribute's value. False: not in this format, or not of this version.
bool decode_acl_inheritance(Bytes value, AclInheritance& out);
// At most UINT16_MAX entries of a kind: the kernel takes fewer in an ACL.
void encode_acl_inheritance(const AclInheritance& value, Buffer& out);

}  // namespace Atoll::vfs
