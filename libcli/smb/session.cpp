#include "libcli/smb/session.h"

#include "base/limits.h"

namespace Atoll::smb {

Result<EmptyMessage, NtStatus> EmptyMessage::decode(Bytes message) {
    auto body = open_body(message, structure_size);
    if (!body) return body.failure();
    return EmptyMessage{};
}

void EmptyMessage::encode(ByteWriter& out) const {
    out.u16(structure_size);
    out.u16(0);
}

Result<SessionSetupRequest, NtStatus> SessionSetupRequest::decode(Bytes message) {
    auto body = open_body(message, structure_size);
    if (!body) return body.failure();
    ByteReader& in = *body;
    SessionSetupRequest r;
    r.flags = in.u8();
    r.security_mode = in.u8();
    r.capabilities = in.u32();
    in.skip(4);
    const uint16_t offset = in.u16();
    const uint16_t length = in.u16();
    r.previous_session_id = in.u64();
    static_assert(limits::max_security_blob >= 0xFFFF, "the length field is the tighter limit");
    auto blob = body_buffer(message, offset, length, in.position());
    if (!blob) return blob.failure();
    r.security_buffer = *blob;
    return r;
}

void SessionSetupRequest::encode(ByteWriter& out) const {
    ATOLL_ASSERT(security_buffer.size() <= 0xFFFF);
    out.u16(structure_size);
    out.u8(flags);
    out.u8(security_mode);
    out.u32(capabilities);
    out.u32(0);
    out.u16(header_size + 24);
    out.u16(static_cast<uint16_t>(security_buffer.size()));
    out.u64(previous_session_id);
    out.bytes(security_buffer);
    if (security_buffer.empty()) out.u8(0);  // StructureSize counts one byte of Buffer
}

Result<SessionSetupResponse, NtStatus> SessionSetupResponse::decode(Bytes message) {
    constexpr auto bad = NtStatus::INVALID_NETWORK_RESPONSE;
    auto body = open_body(message, structure_size, bad);
    if (!body) return body.failure();
    ByteReader& in = *body;
    SessionSetupResponse r;
    r.session_flags = in.u16();
    const uint16_t offset = in.u16();
    const uint16_t length = in.u16();
    auto blob = body_buffer(message, offset, length, in.position(), bad);
    if (!blob) return blob.failure();
    r.security_buffer = *blob;
    return r;
}

void SessionSetupResponse::encode(ByteWriter& out) const {
    ATOLL_ASSERT(security_buffer.size() <= 0xFFFF);
    out.u16(structure_size);
    out.u16(session_flags);
    out.u16(header_size + 8);
    out.u16(static_cast<uint16_t>(security_buffer.size()));
    out.bytes(security_buffer);
    if (security_buffer.empty()) out.u8(0);
}

Result<ServerToClientNotification, NtStatus> ServerToClientNotification::decode(Bytes message) {
    auto body = open_body(message, structure_size, NtStatus::INVALID_NETWORK_RESPONSE);
    if (!body) return body.failure();
    ByteReader& in = *body;
    in.skip(2);
    ServerToClientNotification n;
    n.type = in.u32();
    if (!in.ok()) return NtStatus::INVALID_NETWORK_RESPONSE;
    return n;
}

void ServerToClientNotification::encode(ByteWriter& out) const {
    out.u16(structure_size);
    out.u16(0);
    out.u32(type);
    out.u32(0);  // the 4 reserved bytes of NotifySessionClosed
}

}  // namespace Atoll::smb
