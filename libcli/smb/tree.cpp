#include "libcli/smb/tree.h"

namespace Atoll::smb {

namespace {

constexpr size_t extension_size = 16;  // TreeConnectContextOffset, TreeConnectContextCount, Reserved
constexpr uint16_t remoted_identity_context = 0x0001;
constexpr uint16_t max_contexts = 16;  // none but one kind is defined

// MS-SMB2 2.2.9.1, 2.2.9.2: the data of the remoted identity context, empty if there is none.
Result<Bytes, NtStatus> decode_extension(Bytes message, size_t buffer_offset) {
    ByteReader in(message);
    in.seek(buffer_offset);
    const uint32_t offset = in.u32();
    const uint16_t count = in.u16();
    in.skip(10);
    if (!in.ok() || count > max_contexts) return NtStatus::INVALID_PARAMETER;
    in.seek(header_size + size_t{offset});
    Bytes identity;
    for (uint16_t i = 0; i < count; ++i) {
        if (i > 0) in.align(8);
        const uint16_t type = in.u16();
        const uint16_t length = in.u16();
        in.skip(4);
        Bytes data = in.bytes(length);
        if (!in.ok()) return NtStatus::INVALID_PARAMETER;
        if (type == remoted_identity_context) identity = data;
    }
    return identity;
}

}  // namespace

Result<TreeConnectRequest, NtStatus> TreeConnectRequest::decode(Bytes message, bool dialect_has_flags) {
    auto body = open_body(message, structure_size);
    if (!body) return body.failure();
    ByteReader& in = *body;
    TreeConnectRequest r;
    r.flags = in.u16();
    if (!dialect_has_flags) r.flags = 0;
    const uint16_t offset = in.u16();
    const uint16_t length = in.u16();
    size_t first = in.position();
    if (r.flags & tree_connect_flags::extension_present) {
        auto identity = decode_extension(message, first);
        if (!identity) return identity.failure();
        r.remoted_identity = *identity;
        first += extension_size;
    }
    auto path = body_buffer(message, offset, length, first);
    if (!path || path->size() % 2 != 0) return NtStatus::INVALID_PARAMETER;
    r.path = *path;
    return r;
}

void TreeConnectRequest::encode(ByteWriter& out) const {
    const bool extended = (flags & tree_connect_flags::extension_present) != 0;
    ATOLL_ASSERT(path.size() <= 0xFFFF && remoted_identity.size() <= 0xFFFF);
    out.u16(structure_size);
    out.u16(flags);
    out.u16(static_cast<uint16_t>(header_size + 8 + (extended ? extension_size : 0)));
    out.u16(static_cast<uint16_t>(path.size()));
    const size_t extension = out.position();
    if (extended) out.zeros(extension_size);
    out.bytes(path);
    if (path.empty()) out.u8(0);  // StructureSize counts one byte of Buffer
    if (!extended || remoted_identity.empty()) return;
    out.align(8);
    out.patch_u32(extension, static_cast<uint32_t>(out.position() - header_size));
    out.patch_u16(extension + 4, 1);
    out.u16(remoted_identity_context);
    out.u16(static_cast<uint16_t>(remoted_identity.size()));
    out.u32(0);
    out.bytes(remoted_identity);
}

Result<TreeConnectResponse, NtStatus> TreeConnectResponse::decode(Bytes message) {
    auto body = open_body(message, structure_size, NtStatus::INVALID_NETWORK_RESPONSE);
    if (!body) return body.failure();
    ByteReader& in = *body;
    TreeConnectResponse r;
    r.share_type = static_cast<ShareType>(in.u8());
    in.skip(1);
    r.share_flags = in.u32();
    r.capabilities = in.u32();
    r.maximal_access = in.u32();
    return r;
}

void TreeConnectResponse::encode(ByteWriter& out) const {
    out.u16(structure_size);
    out.u8(static_cast<uint8_t>(share_type));
    out.u8(0);
    out.u32(share_flags);
    out.u32(capabilities);
    out.u32(maximal_access);
}

Result<RemotedIdentity, NtStatus> RemotedIdentity::decode(Bytes data) {
    ByteReader in(data);
    const uint16_t type = in.u16();
    const uint16_t size = in.u16();
    if (!in.ok() || type != ticket_type || size < fixed_size || size > data.size()) return NtStatus::INVALID_PARAMETER;
    RemotedIdentity r;
    for (Bytes* field : {&r.user, &r.user_name, &r.domain, &r.groups, &r.restricted_groups, &r.privileges, &r.primary_group, &r.owner,
                         &r.default_dacl, &r.device_groups, &r.user_claims, &r.device_claims}) {
        const uint16_t offset = in.u16();
        if (offset == 0) continue;
        if (offset < fixed_size || offset >= size) return NtStatus::INVALID_PARAMETER;
        *field = data.subspan(offset, size - offset);
    }
    return r;
}

}  // namespace Atoll::smb
