#include "libcli/smb/query.h"

namespace Atoll::smb {

Result<OutputBufferResponse, NtStatus> OutputBufferResponse::decode(Bytes message) {
    constexpr auto bad = NtStatus::INVALID_NETWORK_RESPONSE;
    auto body = open_body(message, structure_size, bad);
    if (!body) return body.failure();
    ByteReader& in = *body;
    const uint16_t offset = in.u16();
    const uint32_t length = in.u32();
    auto output = body_buffer(message, offset, length, in.position(), bad);
    if (!output) return output.failure();
    return OutputBufferResponse{*output};
}

void OutputBufferResponse::encode(ByteWriter& out) const {
    begin(out);
    out.bytes(output);
    finish(out);
}

void OutputBufferResponse::begin(ByteWriter& out) {
    ATOLL_ASSERT(out.position() == header_size);
    out.u16(structure_size);
    out.u16(payload_offset);
    out.u32(0);
}

void OutputBufferResponse::finish(ByteWriter& out) {
    const size_t length = out.position() - payload_offset;
    out.patch_u32(header_size + 4, static_cast<uint32_t>(length));
    if (length > 0) return;
    out.patch_u16(header_size + 2, 0);
    out.u8(0);  // StructureSize counts one byte of Buffer
}

Result<QueryDirectoryRequest, NtStatus> QueryDirectoryRequest::decode(Bytes message) {
    auto body = open_body(message, structure_size);
    if (!body) return body.failure();
    ByteReader& in = *body;
    QueryDirectoryRequest r;
    r.information_class = static_cast<FileInformationClass>(in.u8());
    r.flags = in.u8();
    r.file_index = in.u32();
    r.file_id = FileId::decode(in);
    const uint16_t offset = in.u16();
    const uint16_t length = in.u16();
    r.output_buffer_length = in.u32();
    auto pattern = body_buffer(message, offset, length, in.position());
    if (!pattern || pattern->size() % 2 != 0) return NtStatus::INVALID_PARAMETER;
    r.pattern = *pattern;
    return r;
}

void QueryDirectoryRequest::encode(ByteWriter& out) const {
    ATOLL_ASSERT(pattern.size() <= 0xFFFF);
    out.u16(structure_size);
    out.u8(static_cast<uint8_t>(information_class));
    out.u8(flags);
    out.u32(file_index);
    file_id.encode(out);
    out.u16(pattern.empty() ? uint16_t{0} : static_cast<uint16_t>(header_size + 32));
    out.u16(static_cast<uint16_t>(pattern.size()));
    out.u32(output_buffer_length);
    out.bytes(pattern);
    if (pattern.empty()) out.u8(0);
}

Result<ChangeNotifyRequest, NtStatus> ChangeNotifyRequest::decode(Bytes message) {
    auto body = open_body(message, structure_size);
    if (!body) return body.failure();
    ByteReader& in = *body;
    ChangeNotifyRequest r;
    r.flags = in.u16();
    r.output_buffer_length = in.u32();
    r.file_id = FileId::decode(in);
    r.completion_filter = in.u32();
    return r;
}

void ChangeNotifyRequest::encode(ByteWriter& out) const {
    out.u16(structure_size);
    out.u16(flags);
    out.u32(output_buffer_length);
    file_id.encode(out);
    out.u32(completion_filter);
    out.u32(0);
}

Result<QueryInfoRequest, NtStatus> QueryInfoRequest::decode(Bytes message) {
    auto body = open_body(message, structure_size);
    if (!body) return body.failure();
    ByteReader& in = *body;
    QueryInfoRequest r;
    r.info_type = static_cast<InfoType>(in.u8());
    r.info_class = in.u8();
    r.output_buffer_length = in.u32();
    const uint16_t offset = in.u16();
    in.skip(2);
    const uint32_t length = in.u32();
    r.additional_information = in.u32();
    r.flags = in.u32();
    r.file_id = FileId::decode(in);
    // MS-SMB2 3.3.5.20: only quotas and full EA information have an input buffer; for others its length is ignored.
    const bool has_input = r.info_type == InfoType::quota ||
                           (r.info_type == InfoType::file && r.info_class == static_cast<uint8_t>(FileInformationClass::full_ea));
    if (has_input) {
        auto input = body_buffer(message, offset, length, in.position());
        if (!input) return input.failure();
        r.input = *input;
    }
    return r;
}

void QueryInfoRequest::encode(ByteWriter& out) const {
    out.u16(structure_size);
    out.u8(static_cast<uint8_t>(info_type));
    out.u8(info_class);
    out.u32(output_buffer_length);
    out.u16(input.empty() ? uint16_t{0} : static_cast<uint16_t>(header_size + 40));
    out.u16(0);
    out.u32(static_cast<uint32_t>(input.size()));
    out.u32(additional_information);
    out.u32(flags);
    file_id.encode(out);
    out.bytes(input);
    if (input.empty()) out.u8(0);
}

Result<QueryQuotaInfo, NtStatus> QueryQuotaInfo::decode(Bytes input) {
    ByteReader in(input);
    QueryQuotaInfo q;
    q.return_single = in.u8() != 0;
    q.restart_scan = in.u8() != 0;
    in.skip(2);
    const uint32_t list_length = in.u32();
    const uint32_t sid_length = in.u32();
    const uint32_t sid_offset = in.u32();
    ByteReader sids(in.rest());
    if (!in.ok()) return NtStatus::INVALID_PARAMETER;
    q.sid_list = sids.at(0, list_length);
    if (list_length == 0 && sid_length != 0) q.start_sid = sids.at(sid_offset, sid_length);
    if (!sids.ok()) return NtStatus::INVALID_PARAMETER;
    return q;
}

void QueryQuotaInfo::encode(ByteWriter& out) const {
    ATOLL_ASSERT(sid_list.empty() || start_sid.empty());
    out.u8(return_single ? 1 : 0);
    out.u8(restart_scan ? 1 : 0);
    out.u16(0);
    out.u32(static_cast<uint32_t>(sid_list.size()));
    out.u32(static_cast<uint32_t>(start_sid.size()));
    out.u32(0);
    out.bytes(sid_list);
    out.bytes(start_sid);
}

Result<SetInfoRequest, NtStatus> SetInfoRequest::decode(Bytes message) {
    auto body = open_body(message, structure_size);
    if (!body) return body.failure();
    ByteReader& in = *body;
    SetInfoRequest r;
    r.info_type = static_cast<InfoType>(in.u8());
    r.info_class = in.u8();
    const uint32_t length = in.u32();
    const uint16_t offset = in.u16();
    in.skip(2);
    r.additional_information = in.u32();
    r.file_id = FileId::decode(in);
    auto buffer = body_buffer(message, offset, length, in.position());
    if (!buffer) return buffer.failure();
    r.buffer = *buffer;
    return r;
}

void SetInfoRequest::encode(ByteWriter& out) const {
    out.u16(structure_size);
    out.u8(static_cast<uint8_t>(info_type));
    out.u8(info_class);
    out.u32(static_cast<uint32_t>(buffer.size()));
    out.u16(static_cast<uint16_t>(header_size + 32));
    out.u16(0);
    out.u32(additional_information);
    file_id.encode(out);
    out.bytes(buffer);
    if (buffer.empty()) out.u8(0);
}

Result<SetInfoResponse, NtStatus> SetInfoResponse::decode(Bytes message) {
    auto body = open_body(message, structure_size, NtStatus::INVALID_NETWORK_RESPONSE);
    if (!body) return body.failure();
    return SetInfoResponse{};
}

void SetInfoResponse::encode(ByteWriter& out) const { out.u16(structure_size); }

}  // namespace Atoll::smb
