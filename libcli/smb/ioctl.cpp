#include "libcli/smb/ioctl.h"

namespace Atoll::smb {

Result<IoctlRequest, NtStatus> IoctlRequest::decode(Bytes message) {
    auto body = open_body(message, structure_size);
    if (!body) return body.failure();
    ByteReader& in = *body;
    IoctlRequest r;
    in.skip(2);
    r.ctl_code = static_cast<ControlCode>(in.u32());
    r.file_id = FileId::decode(in);
    const uint32_t input_offset = in.u32();
    const uint32_t input_count = in.u32();
    r.max_input_response = in.u32();
    in.skip(8);  // OutputOffset, OutputCount: ignored (MS-SMB2 3.3.5.15)
    r.max_output_response = in.u32();
    r.flags = in.u32();
    in.skip(4);
    auto input = body_buffer(message, input_offset, input_count, in.position());
    if (!input || (input_count > 0 && input_offset % 8 != 0)) return NtStatus::INVALID_PARAMETER;
    r.input = *input;
    return r;
}

void IoctlRequest::encode(ByteWriter& out) const {
    out.u16(structure_size);
    out.u16(0);
    out.u32(static_cast<uint32_t>(ctl_code));
    file_id.encode(out);
    out.u32(static_cast<uint32_t>(header_size + 56));
    out.u32(static_cast<uint32_t>(input.size()));
    out.u32(max_input_response);
    out.u32(0);
    out.u32(0);
    out.u32(max_output_response);
    out.u32(flags);
    out.u32(0);
    out.bytes(input);
    if (input.empty()) out.u8(0);  // StructureSize counts one byte of Buffer
}

Result<IoctlResponse, NtStatus> IoctlResponse::decode(Bytes message) {
    constexpr auto bad = NtStatus::INVALID_NETWORK_RESPONSE;
    auto body = open_body(message, structure_size, bad);
    if (!body) return body.failure();
    ByteReader& in = *body;
    IoctlResponse r;
    in.skip(2);
    r.ctl_code = static_cast<ControlCode>(in.u32());
    r.file_id = FileId::decode(in);
    const uint32_t input_offset = in.u32();
    const uint32_t input_count = in.u32();
    const uint32_t output_offset = in.u32();
    const uint32_t output_count = in.u32();
    in.skip(8);
    auto input = body_buffer(message, input_offset, input_count, in.position(), bad);
    auto output = body_buffer(message, output_offset, output_count, in.position(), bad);
    if (!input || !output) return bad;
    r.input = *input;
    r.output = *output;
    return r;
}

void IoctlResponse::encode(ByteWriter& out) const {
    begin(out, ctl_code, file_id);
    if (!input.empty()) {
        out.bytes(input);
        out.align(8);  // OutputOffset is InputOffset + InputCount rounded up to 8 (MS-SMB2 2.2.32)
        out.patch_u32(header_size + 28, static_cast<uint32_t>(input.size()));
        out.patch_u32(header_size + 32, static_cast<uint32_t>(out.position()));
    }
    out.bytes(output);
    out.patch_u32(header_size + 36, static_cast<uint32_t>(output.size()));
    if (input.empty() && output.empty()) out.u8(0);
}

void IoctlResponse::begin(ByteWriter& out, ControlCode ctl_code, const FileId& file_id) {
    ATOLL_ASSERT(out.position() == header_size);
    out.u16(structure_size);
    out.u16(0);
    out.u32(static_cast<uint32_t>(ctl_code));
    file_id.encode(out);
    out.u32(static_cast<uint32_t>(payload_offset));  // InputOffset
    out.u32(0);
    out.u32(static_cast<uint32_t>(payload_offset));  // OutputOffset
    out.u32(0);
    out.u64(0);
}

void IoctlResponse::finish(ByteWriter& out) {
    const size_t length = out.position() - payload_offset;
    out.patch_u32(header_size + 36, static_cast<uint32_t>(length));
    if (length == 0) out.u8(0);
}

}  // namespace Atoll::smb
