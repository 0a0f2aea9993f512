// A security descriptor as Samba's acl_xattr keeps it in an extended attribute (docs/formats/ntacl.md). Pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/buffer.h"
#include "base/result.h"
#include "base/time.h"
#include "libcli/security/security_descriptor.h"

namespace Atoll::vfs {

inline constexpr size_t nt_acl_hash_size = 64;  // of which SHA-256 fills the first 32 bytes
using NtAclHash = std::array<uint8_t, nt_acl_hash_size>;

struct NtAcl {
    uint16_t version = 0;  // 1 to 4
    security::SecurityDescriptor descriptor;
    NtAclHash descriptor_hash{};  // versions 3 and 4: of the descriptor that POSIX rights stood for when this one was stored
    NtAclHash system_hash{};      // version 4: of the POSIX rights themselves
    std::string description;      // version 4: what system_hash was made of
    NtTime time;                  // version 4
};

inline constexpr const char* posix_acl_description = "posix_acl";

// Code::invalid for what is not in the format. Reuses `out`'s capacity.
Result<void> decode_nt_acl(Bytes value, NtAcl& out);
// Replaces `out` by version 3 without a hash: for descriptors that count whatever the POSIX rights say.
void encode_nt_acl(const security::SecurityDescriptor& descriptor, Buffer& out);
// The hash of the descriptor that POSIX rights are mapped to, for version 4: SHA-256 of its version 3.
void hash_descriptor(const security::SecurityDescriptor& mapped, NtAclHash& out);
// Replaces `out` by version 4.
void encode_nt_acl(const security::SecurityDescriptor& descriptor, const NtAclHash& descriptor_hash, const NtAclHash& system_hash,
                   NtTime now, Buffer& out);

}  // namespace Atoll::vfs
