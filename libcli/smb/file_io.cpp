#include "libcli/smb/file_io.h"

namespace Atoll::smb {

namespace {
constexpr uint16_t max_data_offset = 0x100;  // MS-SMB2 3.3.5.13

Guid read_guid(ByteReader& in) {
    Guid guid;
    in.copy(guid.bytes);
    return guid;
}
}  // namespace

Result<FlushRequest, NtStatus> FlushRequest::decode(Bytes message) {
    auto body = open_body(message, structure_size);
    if (!body) return body.failure();
    body->skip(6);
    return FlushRequest{FileId::decode(*body)};
}

void FlushRequest::encode(ByteWriter& out) const {
    out.u16(structure_size);
    out.zeros(6);
    file_id.encode(out);
}

Result<ReadRequest, NtStatus> ReadRequest::decode(Bytes message) {
    auto body = open_body(message, structure_size);
    if (!body) return body.failure();
    ByteReader& in = *body;
    ReadRequest r;
    r.padding = in.u8();
    r.flags = in.u8();
    r.length = in.u32();
    r.offset = in.u64();
    r.file_id = FileId::decode(in);
    r.minimum_count = in.u32();
    r.channel = static_cast<Channel>(in.u32());
    r.remaining_bytes = in.u32();
    const uint16_t info_offset = in.u16();
    const uint16_t info_length = in.u16();
    if (r.channel != Channel::none) {
        auto info = body_buffer(message, info_offset, info_length, in.position());
        if (!info) return info.failure();
        r.channel_info = *info;
    }
    return r;
}

void ReadRequest::encode(ByteWriter& out) const {
    out.u16(structure_size);
    out.u8(padding);
    out.u8(flags);
    out.u32(length);
    out.u64(offset);
    file_id.encode(out);
    out.u32(minimum_count);
    out.u32(static_cast<uint32_t>(channel));
    out.u32(remaining_bytes);
    out.u16(channel_info.empty() ? uint16_t{0} : static_cast<uint16_t>(header_size + 48));
    out.u16(static_cast<uint16_t>(channel_info.size()));
    out.bytes(channel_info);
    if (channel_info.empty()) out.u8(0);  // StructureSize counts one byte of Buffer
}

Result<ReadResponse, NtStatus> ReadResponse::decode(Bytes message) {
    constexpr auto bad = NtStatus::INVALID_NETWORK_RESPONSE;
    auto body = open_body(message, structure_size, bad);
    if (!body) return body.failure();
    ByteReader& in = *body;
    ReadResponse r;
    const uint8_t offset = in.u8();
    in.skip(1);
    const uint32_t length = in.u32();
    r.data_remaining = in.u32();
    r.flags = in.u32();
    auto data = body_buffer(message, offset, length, in.position(), bad);
    if (!data) return data.failure();
    r.data = *data;
    return r;
}

void ReadResponse::encode_fixed(ByteWriter& out, uint32_t data_length, uint32_t data_remaining, uint32_t flags) {
    out.u16(structure_size);
    out.u8(payload_offset);
    out.u8(0);
    out.u32(data_length);
    out.u32(data_remaining);
    out.u32(flags);
}

void ReadResponse::encode(ByteWriter& out) const {
    encode_fixed(out, static_cast<uint32_t>(data.size()), data_remaining, flags);
    out.bytes(data);
    if (data.empty()) out.u8(0);
}

namespace {

struct WriteFixed {
    WriteRequest request;
    uint16_t data_offset = 0;
    uint32_t length = 0;
    uint16_t info_offset = 0;
    uint16_t info_length = 0;
};

Result<WriteFixed, NtStatus> decode_write_fixed(Bytes message) {
    auto body = open_body(message, WriteRequest::structure_size);
    if (!body) return body.failure();
    ByteReader& in = *body;
    WriteFixed f;
    f.data_offset = in.u16();
    f.length = in.u32();
    f.request.offset = in.u64();
    f.request.file_id = FileId::decode(in);
    f.request.channel = static_cast<Channel>(in.u32());
    f.request.remaining_bytes = in.u32();
    f.info_offset = in.u16();
    f.info_length = in.u16();
    f.request.flags = in.u32();
    // MS-SMB2 3.3.5.13
    if (f.request.channel == Channel::none && f.data_offset > max_data_offset) return NtStatus::INVALID_PARAMETER;
    return f;
}

}  // namespace

Result<WriteRequest, NtStatus> WriteRequest::decode(Bytes message) {
    auto fixed = decode_write_fixed(message);
    if (!fixed) return fixed.failure();
    WriteRequest r = fixed->request;
    auto data = body_buffer(message, fixed->data_offset, fixed->length, payload_offset);
    if (!data) return data.failure();
    r.data = *data;
    if (r.channel != Channel::none) {
        auto info = body_buffer(message, fixed->info_offset, fixed->info_length, payload_offset);
        if (!info) return info.failure();
        r.channel_info = *info;
    }
    return r;
}

Result<WriteRequest::Payload, NtStatus> WriteRequest::locate_payload(Bytes start, size_t message_size) {
    auto header = Header::decode(start);
    if (!header || header->command != Command::write || header->is_response()) return NtStatus::INVALID_PARAMETER;
    auto fixed = decode_write_fixed(start);
    if (!fixed) return fixed.failure();
    const size_t offset = fixed->data_offset;
    const size_t length = fixed->length;
    if (offset < payload_offset || offset > message_size || length > message_size - offset) return NtStatus::INVALID_PARAMETER;
    return Payload{offset, length};
}

void WriteRequest::encode_fixed(ByteWriter& out, const WriteRequest& fields, uint32_t data_length) {
    const bool has_info = !fields.channel_info.empty();
    out.u16(structure_size);
    out.u16(has_info ? uint16_t{0} : static_cast<uint16_t>(payload_offset));
    out.u32(data_length);
    out.u64(fields.offset);
    fields.file_id.encode(out);
    out.u32(static_cast<uint32_t>(fields.channel));
    out.u32(fields.remaining_bytes);
    out.u16(has_info ? static_cast<uint16_t>(payload_offset) : uint16_t{0});
    out.u16(static_cast<uint16_t>(fields.channel_info.size()));
    out.u32(fields.flags);
}

// MS-SMB2 3.3.5.13: data travel in the message or by the channel, never both.
void WriteRequest::encode(ByteWriter& out) const {
    ATOLL_ASSERT(data.empty() || channel_info.empty());
    encode_fixed(out, *this, static_cast<uint32_t>(data.size()));
    out.bytes(channel_info);
    out.bytes(data);
    if (data.empty() && channel_info.empty()) out.u8(0);
}

Result<WriteResponse, NtStatus> WriteResponse::decode(Bytes message) {
    auto body = open_body(message, structure_size, NtStatus::INVALID_NETWORK_RESPONSE);
    if (!body) return body.failure();
    body->skip(2);
    return WriteResponse{body->u32()};
}

void WriteResponse::encode(ByteWriter& out) const {
    out.u16(structure_size);
    out.u16(0);
    out.u32(count);
    out.u64(0);  // Remaining and the channel information; no Buffer, whatever StructureSize says (MS-SMB2 2.2.22)
}

LockElement LockRequest::element(size_t i) const {
    ByteReader in(elements.subspan(i * LockElement::size, LockElement::size));
    LockElement e;
    e.offset = in.u64();
    e.length = in.u64();
    e.flags = in.u32();
    return e;
}

Result<LockRequest, NtStatus> LockRequest::decode(Bytes message) {
    auto body = open_body(message, structure_size);
    if (!body) return body.failure();
    ByteReader& in = *body;
    LockRequest r;
    const uint16_t count = in.u16();
    const uint32_t sequence = in.u32();
    r.sequence_number = static_cast<uint8_t>(sequence & 0xF);
    r.sequence_index = sequence >> 4;
    r.file_id = FileId::decode(in);
    r.elements = in.bytes(size_t{count} * LockElement::size);
    if (!in.ok() || count == 0) return NtStatus::INVALID_PARAMETER;
    return r;
}

void LockRequest::encode_element(ByteWriter& out, const LockElement& element) {
    out.u64(element.offset);
    out.u64(element.length);
    out.u32(element.flags);
    out.u32(0);
}

void LockRequest::encode(ByteWriter& out) const {
    out.u16(structure_size);
    out.u16(static_cast<uint16_t>(count()));
    out.u32((sequence_index << 4) | (sequence_number & 0xFu));
    file_id.encode(out);
    out.bytes(elements);
}

Result<OplockBreak, NtStatus> OplockBreak::decode(Bytes message) {
    auto body = open_body(message, structure_size);
    if (!body) return body.failure();
    ByteReader& in = *body;
    OplockBreak b;
    b.oplock_level = static_cast<OplockLevel>(in.u8());
    in.skip(5);
    b.file_id = FileId::decode(in);
    return b;
}

void OplockBreak::encode(ByteWriter& out) const {
    out.u16(structure_size);
    out.u8(static_cast<uint8_t>(oplock_level));
    out.zeros(5);
    file_id.encode(out);
}

Result<LeaseBreakAck, NtStatus> LeaseBreakAck::decode(Bytes message) {
    auto body = open_body(message, structure_size);
    if (!body) return body.failure();
    ByteReader& in = *body;
    LeaseBreakAck a;
    in.skip(6);
    a.key = read_guid(in);
    a.state = in.u32();
    return a;
}

void LeaseBreakAck::encode(ByteWriter& out) const {
    out.u16(structure_size);
    out.zeros(6);
    out.bytes(key.bytes);
    out.u32(state);
    out.u64(0);
}

Result<LeaseBreakNotification, NtStatus> LeaseBreakNotification::decode(Bytes message) {
    auto body = open_body(message, structure_size);
    if (!body) return body.failure();
    ByteReader& in = *body;
    LeaseBreakNotification n;
    n.new_epoch = in.u16();
    n.flags = in.u32();
    n.key = read_guid(in);
    n.current_state = in.u32();
    n.new_state = in.u32();
    return n;
}

void LeaseBreakNotification::encode(ByteWriter& out) const {
    out.u16(structure_size);
    out.u16(new_epoch);
    out.u32(flags);
    out.bytes(key.bytes);
    out.u32(current_state);
    out.u32(new_state);
    out.zeros(12);  // BreakReason, AccessMaskHint, ShareMaskHint
}

uint16_t oplock_break_form(Bytes message) {
    if (message.size() < header_size + 2) return 0;
    const auto size = load_le<uint16_t>(message.data() + header_size);
    const bool known =
        size == OplockBreak::structure_size || size == LeaseBreakAck::structure_size || size == LeaseBreakNotification::structure_size;
    return known ? size : uint16_t{0};
}

}  // namespace Atoll::smb
