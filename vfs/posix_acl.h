// POSIX access control lists: as the kernel gives and takes them, and as Windows sees them. Pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/buffer.h"
#include "libcli/security/id_map.h"
#include "libcli/security/security_descriptor.h"
#include "vfs/vfs.h"

namespace Atoll::vfs {

inline constexpr const char* access_acl_xattr = "system.posix_acl_access";
inline constexpr const char* default_acl_xattr = "system.posix_acl_default";

enum class PosixTag : uint16_t { user_obj = 0x01, user = 0x02, group_obj = 0x04, group = 0x08, mask = 0x10, other = 0x20 };

struct PosixEntry {
    PosixTag tag = PosixTag::other;
    uint16_t bits = 0;  // r 4, w 2, x 1
    uint32_t id = 0;    // of user and group
    bool operator==(const PosixEntry&) const = default;
};

// In the kernel's order: owner, users, group, groups, mask, others; users and groups by their numbers.
using PosixAcl = std::vector<PosixEntry>;

// The value of one of the two attributes above. False: not in the kernel's format.
bool decode_posix_acl(Bytes value, PosixAcl& out);
void encode_posix_acl(const PosixAcl& acl, Buffer& out);
// The three entries that a mode is.
void posix_acl_of_mode(uint32_t mode, PosixAcl& out);

struct AclInheritance;

// What a file's POSIX rights are to Windows. `defaults`: what a directory hands on; empty for a file.
struct PosixRights {
    const Stat& stat;
    const PosixAcl& access;
    const PosixAcl& defaults;
    const AclInheritance* inheritance = nullptr;  // with `map acl inherit`, where the file has it
};

struct MappingOptions {
    bool full_control = true;   // smb.conf `acl map full control`
    bool dos_filemode = false;  // smb.conf `dos filemode`: w is DELETE, WRITE_DAC and WRITE_OWNER too
};
MappingOptions mapping_options(const Options& options);

// The DACL is protected unless `inheritance` says else, and has an entry for the owner, for every user and group, for everyone; with rights
// of their own even where these are none. Replaces `out`. False: they are more than an ACL can hold (64 KiB).
[[nodiscard]] bool descriptor_of_posix(const PosixRights& rights, const MappingOptions& options, security::IdMap& ids,
                                       security::SecurityDescriptor& out);

// SHA-256 by which acl_xattr knows again the POSIX rights that a stored descriptor was made for (docs/formats/ntacl.md).
void hash_posix_rights(const PosixRights& rights, std::array<uint8_t, 64>& out);

}  // namespace Atoll::vfs
