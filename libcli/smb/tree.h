// TREE_CONNECT (MS-SMB2 2.2.9, 2.2.10); TREE_DISCONNECT is an EmptyMessage (libcli/smb/session.h). Conventions: libcli/smb/header.h.
#pragma once

#include <optional>

#include "libcli/smb/header.h"

namespace Atoll::smb {

namespace tree_connect_flags {  // MS-SMB2 2.2.9, 3.1.1 only
constexpr uint16_t cluster_reconnect = 0x0001;
constexpr uint16_t redirect_to_owner = 0x0002;
constexpr uint16_t extension_present = 0x0004;
}  // namespace tree_connect_flags

enum class ShareType : uint8_t { disk = 1, pipe = 2, print = 3 };  // MS-SMB2 2.2.10

namespace share_flags {  // MS-SMB2 2.2.10
constexpr uint32_t manual_caching = 0x00000000;
constexpr uint32_t auto_caching = 0x00000010;
constexpr uint32_t vdo_caching = 0x00000020;
constexpr uint32_t no_caching = 0x00000030;
constexpr uint32_t dfs = 0x00000001;
constexpr uint32_t dfs_root = 0x00000002;
constexpr uint32_t restrict_exclusive_opens = 0x00000100;
constexpr uint32_t force_shared_delete = 0x00000200;
constexpr uint32_t allow_namespace_caching = 0x00000400;
constexpr uint32_t access_based_directory_enum = 0x00000800;
constexpr uint32_t force_levelii_oplock = 0x00001000;
constexpr uint32_t enable_hash_v1 = 0x00002000;
constexpr uint32_t enable_hash_v2 = 0x00004000;
constexpr uint32_t encrypt_data = 0x00008000;
constexpr uint32_t identity_remoting = 0x00040000;
constexpr uint32_t compress_data = 0x00100000;
constexpr uint32_t isolated_transport = 0x00200000;
}  // namespace share_flags

namespace share_cap {  // MS-SMB2 2.2.10
constexpr uint32_t dfs = 0x00000008;
constexpr uint32_t continuous_availability = 0x00000010;
constexpr uint32_t scaleout = 0x00000020;
constexpr uint32_t cluster = 0x00000040;
constexpr uint32_t asymmetric = 0x00000080;
constexpr uint32_t redirect_to_owner = 0x00000100;
}  // namespace share_cap

struct TreeConnectRequest {
    static constexpr uint16_t structure_size = 9;
    uint16_t flags = 0;
    Bytes path;              // UTF-16LE, "\\server\share"
    Bytes remoted_identity;  // data of the SMB2_REMOTED_IDENTITY context of the extension (MS-SMB2 2.2.9.2.1), else empty

    // The extension is read if `flags` has extension_present and `dialect_has_flags` (true for 3.1.1) is set; else flags become 0.
    // In it, PathOffset counts from the SMB2 header as without it, TreeConnectContextOffset from the start of the TREE_CONNECT request.
    // INVALID_PARAMETER also for a path of odd length.
    static Result<TreeConnectRequest, NtStatus> decode(Bytes message, bool dialect_has_flags);
    void encode(ByteWriter& out) const;  // with the extension if flags say so
};

struct TreeConnectResponse {
    static constexpr uint16_t structure_size = 16;
    ShareType share_type = ShareType::disk;
    uint32_t share_flags = 0;
    uint32_t capabilities = 0;
    uint32_t maximal_access = 0;

    static Result<TreeConnectResponse, NtStatus> decode(Bytes message);  // INVALID_NETWORK_RESPONSE
    void encode(ByteWriter& out) const;
};

// One attribute of SMB2_REMOTED_IDENTITY_TREE_CONNECT (MS-SMB2 2.2.9.2.1): each is an offset into the structure.
struct RemotedIdentity {
    static constexpr uint16_t ticket_type = 0x0001;
    static constexpr size_t fixed_size = 28;
    // Views that begin where the field's offset points and reach to the end of the structure; empty for offset 0.
    Bytes user, user_name, domain, groups, restricted_groups, privileges, primary_group, owner, default_dacl, device_groups, user_claims,
        device_claims;

    static Result<RemotedIdentity, NtStatus> decode(Bytes data);  // INVALID_PARAMETER
};

}  // namespace Atoll::smb
