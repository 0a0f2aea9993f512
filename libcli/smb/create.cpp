#include "libcli/smb/create.h"

namespace Atoll::smb {

namespace {

void decode_times(ByteReader& in, FileTimesAndSizes& info) {
    info.creation_time.ticks = in.u64();
    info.last_access_time.ticks = in.u64();
    info.last_write_time.ticks = in.u64();
    info.change_time.ticks = in.u64();
    info.allocation_size = in.u64();
    info.end_of_file = in.u64();
    info.file_attributes = in.u32();
}

void encode_times(ByteWriter& out, const FileTimesAndSizes& info) {
    out.u64(info.creation_time.ticks);
    out.u64(info.last_access_time.ticks);
    out.u64(info.last_write_time.ticks);
    out.u64(info.change_time.ticks);
    out.u64(info.allocation_size);
    out.u64(info.end_of_file);
    out.u32(info.file_attributes);
}

constexpr size_t request_fixed_size = header_size + 56;
constexpr size_t request_contexts_field = header_size + 48;
constexpr size_t response_contexts_field = header_size + 80;

// Appends the contexts at the next multiple of 8 and patches offset and length into `field`.
template <class F>
void append_contexts(ByteWriter& out, size_t field, F write) {
    out.align(8);
    const size_t start = out.position();
    write();
    if (out.position() == start) return;
    out.patch_u32(field, static_cast<uint32_t>(start));
    out.patch_u32(field + 4, static_cast<uint32_t>(out.position() - start));
}

void encode_request_fixed(ByteWriter& out, const CreateRequest& r) {
    ATOLL_ASSERT(r.name.size() <= 0xFFFF);
    out.u16(CreateRequest::structure_size);
    out.u8(0);  // SecurityFlags
    out.u8(static_cast<uint8_t>(r.oplock_level));
    out.u32(static_cast<uint32_t>(r.impersonation));
    out.zeros(16);  // SmbCreateFlags, Reserved
    out.u32(r.desired_access);
    out.u32(r.file_attributes);
    out.u32(r.share_access);
    out.u32(static_cast<uint32_t>(r.disposition));
    out.u32(r.options);
    out.u16(request_fixed_size);
    out.u16(static_cast<uint16_t>(r.name.size()));
    out.zeros(8);  // contexts, patched
    out.bytes(r.name);
    // MS-SMB2 3.3.5.9: a request shorter than StructureSize is refused, and that counts one byte of Buffer.
    if (r.name.empty()) out.u8(0);
}

void encode_response_fixed(ByteWriter& out, const CreateResponse& r) {
    out.u16(CreateResponse::structure_size);
    out.u8(static_cast<uint8_t>(r.oplock_level));
    out.u8(r.flags);
    out.u32(static_cast<uint32_t>(r.action));
    encode_times(out, r.info);
    out.u32(0);
    r.file_id.encode(out);
    out.zeros(8);
}

}  // namespace

Result<CreateRequest, NtStatus> CreateRequest::decode(Bytes message) {
    // MS-SMB2 3.3.5.9: the whole StructureSize must be there.
    if (message.size() < header_size + structure_size) return NtStatus::INVALID_PARAMETER;
    auto body = open_body(message, structure_size);
    if (!body) return body.failure();
    ByteReader& in = *body;
    CreateRequest r;
    in.skip(1);
    r.oplock_level = static_cast<OplockLevel>(in.u8());
    r.impersonation = static_cast<ImpersonationLevel>(in.u32());
    in.skip(16);
    r.desired_access = in.u32();
    r.file_attributes = in.u32();
    r.share_access = in.u32();
    r.disposition = static_cast<CreateDisposition>(in.u32());
    r.options = in.u32();
    const uint16_t name_offset = in.u16();
    const uint16_t name_length = in.u16();
    const uint32_t contexts_offset = in.u32();
    const uint32_t contexts_length = in.u32();
    auto name = body_buffer(message, name_offset, name_length, in.position());
    if (!name || name_length % 2 != 0) return NtStatus::INVALID_PARAMETER;
    r.name = *name;
    auto contexts = body_buffer(message, contexts_offset, contexts_length, in.position());
    if (!contexts || (contexts_length > 0 && contexts_offset % 8 != 0)) return NtStatus::INVALID_PARAMETER;
    r.contexts = *contexts;
    return r;
}

void CreateRequest::encode(ByteWriter& out) const {
    encode_request_fixed(out, *this);
    if (!contexts.empty()) append_contexts(out, request_contexts_field, [&] { out.bytes(contexts); });
}

void CreateRequest::encode(ByteWriter& out, const CreateContexts& with) const {
    encode_request_fixed(out, *this);
    if (!with.empty()) append_contexts(out, request_contexts_field, [&] { with.encode(out); });
}

Result<CreateResponse, NtStatus> CreateResponse::decode(Bytes message) {
    constexpr auto bad = NtStatus::INVALID_NETWORK_RESPONSE;
    auto body = open_body(message, structure_size, bad);
    if (!body) return body.failure();
    ByteReader& in = *body;
    CreateResponse r;
    r.oplock_level = static_cast<OplockLevel>(in.u8());
    r.flags = in.u8();
    r.action = static_cast<CreateAction>(in.u32());
    decode_times(in, r.info);
    in.skip(4);
    r.file_id = FileId::decode(in);
    const uint32_t offset = in.u32();
    const uint32_t length = in.u32();
    auto contexts = body_buffer(message, offset, length, in.position(), bad);
    if (!contexts) return contexts.failure();
    r.contexts = *contexts;
    return r;
}

void CreateResponse::encode(ByteWriter& out) const {
    encode_response_fixed(out, *this);
    if (!contexts.empty()) append_contexts(out, response_contexts_field, [&] { out.bytes(contexts); });
}

void CreateResponse::encode(ByteWriter& out, const CreateResponseContexts& with) const {
    encode_response_fixed(out, *this);
    if (!with.empty()) append_contexts(out, response_contexts_field, [&] { with.encode(out); });
}

Result<CloseRequest, NtStatus> CloseRequest::decode(Bytes message) {
    auto body = open_body(message, structure_size);
    if (!body) return body.failure();
    ByteReader& in = *body;
    CloseRequest r;
    r.flags = in.u16();
    in.skip(4);
    r.file_id = FileId::decode(in);
    return r;
}

void CloseRequest::encode(ByteWriter& out) const {
    out.u16(structure_size);
    out.u16(flags);
    out.u32(0);
    file_id.encode(out);
}

Result<CloseResponse, NtStatus> CloseResponse::decode(Bytes message) {
    auto body = open_body(message, structure_size, NtStatus::INVALID_NETWORK_RESPONSE);
    if (!body) return body.failure();
    ByteReader& in = *body;
    CloseResponse r;
    r.flags = in.u16();
    in.skip(4);
    decode_times(in, r.info);
    return r;
}

void CloseResponse::encode(ByteWriter& out) const {
    out.u16(structure_size);
    out.u16(flags);
    out.u32(0);
    encode_times(out, info);
}

}  // namespace Atoll::smb
