// The payloads of control codes: MS-SMB2 2.2.31.1 to 2.2.32.6 and MS-FSCC 2.3.
#include "libcli/smb/ioctl.h"

namespace Atoll::smb {

namespace {
constexpr auto bad = NtStatus::INVALID_PARAMETER;
constexpr uint64_t ex_structure_size = 0x30;  // MS-FSCC 2.3.9.2, whatever the structure's size

AllocatedRange read_range(ByteReader& in) {
    AllocatedRange r;
    r.file_offset = in.u64();
    r.length = in.u64();
    return r;
}
}  // namespace

Result<ValidateNegotiateInfoRequest, NtStatus> ValidateNegotiateInfoRequest::decode(Bytes input) {
    ByteReader in(input);
    ValidateNegotiateInfoRequest r;
    r.capabilities = in.u32();
    in.copy(r.guid.bytes);
    r.security_mode = in.u16();
    const uint16_t count = in.u16();
    r.dialects = U16List(in.bytes(size_t{count} * 2));
    if (!in.ok()) return bad;
    return r;
}

void ValidateNegotiateInfoRequest::encode(ByteWriter& out) const {
    out.u32(capabilities);
    out.bytes(guid.bytes);
    out.u16(security_mode);
    out.u16(static_cast<uint16_t>(dialects.size()));
    out.bytes(dialects.raw());
}

Result<ValidateNegotiateInfoResponse, NtStatus> ValidateNegotiateInfoResponse::decode(Bytes output) {
    ByteReader in(output);
    ValidateNegotiateInfoResponse r;
    r.capabilities = in.u32();
    in.copy(r.guid.bytes);
    r.security_mode = in.u16();
    r.dialect = static_cast<Dialect>(in.u16());
    if (!in.ok()) return bad;
    return r;
}

void ValidateNegotiateInfoResponse::encode(ByteWriter& out) const {
    out.u32(capabilities);
    out.bytes(guid.bytes);
    out.u16(security_mode);
    out.u16(static_cast<uint16_t>(dialect));
}

CopyChunk CopyChunkRequest::chunk(size_t i) const {
    ByteReader in(chunks.subspan(i * CopyChunk::size, CopyChunk::size));
    CopyChunk c;
    c.source_offset = in.u64();
    c.target_offset = in.u64();
    c.length = in.u32();
    return c;
}

Result<CopyChunkRequest, NtStatus> CopyChunkRequest::decode(Bytes input) {
    ByteReader in(input);
    CopyChunkRequest r;
    in.copy(r.source_key);
    const uint32_t count = in.u32();
    in.skip(4);
    if (!in.ok() || count > in.remaining() / CopyChunk::size) return bad;
    r.chunks = in.bytes(count * CopyChunk::size);
    return r;
}

void CopyChunkRequest::encode(ByteWriter& out) const {
    out.bytes(source_key);
    out.u32(static_cast<uint32_t>(count()));
    out.u32(0);
    out.bytes(chunks);
}

void CopyChunkRequest::encode_chunk(ByteWriter& out, const CopyChunk& chunk) {
    out.u64(chunk.source_offset);
    out.u64(chunk.target_offset);
    out.u32(chunk.length);
    out.u32(0);
}

Result<CopyChunkResponse, NtStatus> CopyChunkResponse::decode(Bytes output) {
    ByteReader in(output);
    CopyChunkResponse r;
    r.chunks_written = in.u32();
    r.chunk_bytes_written = in.u32();
    r.total_bytes_written = in.u32();
    if (!in.ok()) return bad;
    return r;
}

void CopyChunkResponse::encode(ByteWriter& out) const {
    out.u32(chunks_written);
    out.u32(chunk_bytes_written);
    out.u32(total_bytes_written);
}

Result<ResumeKeyResponse, NtStatus> ResumeKeyResponse::decode(Bytes output) {
    ByteReader in(output);
    ResumeKeyResponse r;
    in.copy(r.key);
    in.skip(4);  // ContextLength
    if (!in.ok()) return bad;
    return r;
}

void ResumeKeyResponse::encode(ByteWriter& out) const {
    out.bytes(key);
    out.u32(0);
    out.u32(0);
}

Result<ResiliencyRequest, NtStatus> ResiliencyRequest::decode(Bytes input) {
    ByteReader in(input);
    ResiliencyRequest r;
    r.timeout_ms = in.u32();
    in.skip(4);
    if (!in.ok()) return bad;
    return r;
}

void ResiliencyRequest::encode(ByteWriter& out) const {
    out.u32(timeout_ms);
    out.u32(0);
}

// With an output too small for the array, array_size says what it would need and nothing follows.
Result<SnapshotArray, NtStatus> SnapshotArray::decode(Bytes output) {
    ByteReader in(output);
    SnapshotArray a;
    a.number_of_snapshots = in.u32();
    a.number_returned = in.u32();
    a.array_size = in.u32();
    if (!in.ok()) return bad;
    if (a.number_returned == 0) return a;
    a.snapshots = in.bytes(a.array_size);
    if (!in.ok()) return bad;
    return a;
}

void SnapshotArray::encode(ByteWriter& out) const {
    out.u32(number_of_snapshots);
    out.u32(number_returned);
    out.u32(array_size);
    out.bytes(snapshots);
}

Result<ReadHashRequest, NtStatus> ReadHashRequest::decode(Bytes input) {
    ByteReader in(input);
    ReadHashRequest r;
    r.hash_type = in.u32();
    r.hash_version = in.u32();
    r.retrieval_type = in.u32();
    r.length = in.u32();
    r.offset = in.u64();
    if (!in.ok()) return bad;
    return r;
}

void ReadHashRequest::encode(ByteWriter& out) const {
    out.u32(hash_type);
    out.u32(hash_version);
    out.u32(retrieval_type);
    out.u32(length);
    out.u64(offset);
}

Result<ReadHashResponse, NtStatus> ReadHashResponse::decode(Bytes output, bool file_based) {
    ByteReader in(output);
    ReadHashResponse r;
    r.file_based = file_based;
    r.offset = in.u64();
    if (file_based) r.file_data_length = in.u64();
    const uint32_t length = in.u32();
    in.skip(4);
    r.buffer = in.bytes(length);
    if (!in.ok()) return bad;
    return r;
}

void ReadHashResponse::encode(ByteWriter& out) const {
    out.u64(offset);
    if (file_based) out.u64(file_data_length);
    out.u32(static_cast<uint32_t>(buffer.size()));
    out.u32(0);
    out.bytes(buffer);
}

namespace {
constexpr uint16_t family_ipv4 = 0x0002;
constexpr uint16_t family_ipv6 = 0x0017;
}  // namespace

size_t append_network_interface(ByteWriter& out, const NetworkInterface& interface, std::optional<size_t> last) {
    const size_t start = out.position();
    if (last) out.patch_u32(*last, static_cast<uint32_t>(start - *last));
    out.u32(0);
    out.u32(interface.index);
    out.u32(interface.capability);
    out.u32(0);
    out.u64(interface.link_speed);
    const size_t address = out.position();
    out.u16(interface.ipv6 ? family_ipv6 : family_ipv4);
    out.u16(0);  // Port
    if (interface.ipv6) {
        out.u32(0);  // FlowInfo
        out.bytes(interface.address);
        out.u32_be(interface.scope_id);
    } else {
        out.bytes(Bytes(interface.address).first(4));
    }
    out.zeros(128 - (out.position() - address));
    return start;
}

std::optional<NetworkInterface> NetworkInterfaceReader::next() {
    while (!rest_.empty() && !malformed_) {
        ByteReader in(rest_);
        const uint32_t next = in.u32();
        NetworkInterface i;
        i.index = in.u32();
        i.capability = in.u32();
        in.skip(4);
        i.link_speed = in.u64();
        const uint16_t family = in.u16();
        in.skip(2);
        i.ipv6 = family == family_ipv6;
        if (i.ipv6) {
            in.skip(4);
            in.copy(i.address);
            i.scope_id = in.u32_be();
        } else {
            const uint32_t v4 = in.u32();
            store_le(i.address.data(), v4);
        }
        malformed_ = rest_.size() < NetworkInterface::size || next % 8 != 0 ||
                     (next != 0 && (next < NetworkInterface::size || next >= rest_.size()));
        if (malformed_) return std::nullopt;
        rest_ = next == 0 ? Bytes{} : rest_.subspan(next);
        if (family == family_ipv4 || family == family_ipv6) return i;
    }
    return std::nullopt;
}

Result<PipeWaitRequest, NtStatus> PipeWaitRequest::decode(Bytes input) {
    ByteReader in(input);
    PipeWaitRequest r;
    r.timeout = in.u64();
    const uint32_t length = in.u32();
    r.timeout_specified = in.u8() != 0;
    in.skip(1);
    r.name = in.bytes(length);
    if (!in.ok() || length % 2 != 0) return bad;
    return r;
}

void PipeWaitRequest::encode(ByteWriter& out) const {
    out.u64(timeout);
    out.u32(static_cast<uint32_t>(name.size()));
    out.u8(timeout_specified ? 1 : 0);
    out.u8(0);
    out.bytes(name);
}

Result<PipePeekResponse, NtStatus> PipePeekResponse::decode(Bytes output) {
    ByteReader in(output);
    PipePeekResponse r;
    r.state = in.u32();
    r.read_data_available = in.u32();
    r.number_of_messages = in.u32();
    r.message_length = in.u32();
    if (!in.ok()) return bad;
    r.data = in.rest();
    return r;
}

void PipePeekResponse::encode(ByteWriter& out) const {
    out.u32(state);
    out.u32(read_data_available);
    out.u32(number_of_messages);
    out.u32(message_length);
    out.bytes(data);
}

Result<SetZeroData, NtStatus> SetZeroData::decode(Bytes input) {
    ByteReader in(input);
    SetZeroData r;
    r.file_offset = in.u64();
    r.beyond_final_zero = in.u64();
    const bool negative = (r.file_offset | r.beyond_final_zero) >> 63 != 0;
    if (!in.ok() || negative || r.file_offset > r.beyond_final_zero) return bad;
    return r;
}

void SetZeroData::encode(ByteWriter& out) const {
    out.u64(file_offset);
    out.u64(beyond_final_zero);
}

Result<AllocatedRange, NtStatus> AllocatedRange::decode(Bytes input) {
    ByteReader in(input);
    AllocatedRange r = read_range(in);
    if (!in.ok()) return bad;
    return r;
}

void AllocatedRange::encode(ByteWriter& out) const {
    out.u64(file_offset);
    out.u64(length);
}

Result<DuplicateExtents, NtStatus> DuplicateExtents::decode(Bytes input, bool ex) {
    ByteReader in(input);
    DuplicateExtents d;
    if (ex && in.u64() != ex_structure_size) return bad;
    d.source = FileId::decode(in);
    d.source_offset = in.u64();
    d.target_offset = in.u64();
    d.byte_count = in.u64();
    if (ex) {
        d.flags = in.u32();
        in.skip(4);
    }
    if (!in.ok()) return bad;
    return d;
}

void DuplicateExtents::encode(ByteWriter& out, bool ex) const {
    if (ex) out.u64(ex_structure_size);
    source.encode(out);
    out.u64(source_offset);
    out.u64(target_offset);
    out.u64(byte_count);
    if (ex) out.u64(flags);
}

AllocatedRange FileLevelTrim::range(size_t i) const {
    ByteReader in(ranges.subspan(i * range_size, range_size));
    return read_range(in);
}

Result<FileLevelTrim, NtStatus> FileLevelTrim::decode(Bytes input) {
    ByteReader in(input);
    FileLevelTrim t;
    t.key = in.u32();
    const uint32_t count = in.u32();
    if (!in.ok() || count > in.remaining() / range_size) return bad;
    t.ranges = in.bytes(count * range_size);
    return t;
}

void FileLevelTrim::encode(ByteWriter& out) const {
    out.u32(key);
    out.u32(static_cast<uint32_t>(count()));
    out.bytes(ranges);
}

Result<IntegrityInformation, NtStatus> IntegrityInformation::decode_set(Bytes input) {
    ByteReader in(input);
    IntegrityInformation i;
    i.checksum_algorithm = in.u16();
    in.skip(2);
    i.flags = in.u32();
    if (!in.ok()) return bad;
    return i;
}

Result<IntegrityInformation, NtStatus> IntegrityInformation::decode_get(Bytes output) {
    auto i = decode_set(output);
    if (!i || output.size() < get_size) return bad;
    i->checksum_chunk_size = load_le<uint32_t>(output.data() + 8);
    i->cluster_size = load_le<uint32_t>(output.data() + 12);
    return i;
}

void IntegrityInformation::encode_set(ByteWriter& out) const {
    out.u16(checksum_algorithm);
    out.u16(0);
    out.u32(flags);
}

void IntegrityInformation::encode_get(ByteWriter& out) const {
    encode_set(out);
    out.u32(checksum_chunk_size);
    out.u32(cluster_size);
}

Result<FileRegionsRequest, NtStatus> FileRegionsRequest::decode(Bytes input) {
    FileRegionsRequest r;
    if (input.empty()) return r;
    ByteReader in(input);
    r.file_offset = in.u64();
    r.length = in.u64();
    r.desired_usage = in.u32();
    in.skip(4);
    if (!in.ok()) return bad;
    return r;
}

void FileRegionsRequest::encode(ByteWriter& out) const {
    out.u64(file_offset);
    out.u64(length);
    out.u32(desired_usage);
    out.u32(0);
}

Result<OffloadReadRequest, NtStatus> OffloadReadRequest::decode(Bytes input) {
    ByteReader in(input);
    OffloadReadRequest r;
    if (in.u32() != size) return bad;
    r.flags = in.u32();
    r.token_time_to_live_ms = in.u32();
    in.skip(4);
    r.file_offset = in.u64();
    r.copy_length = in.u64();
    if (!in.ok()) return bad;
    return r;
}

void OffloadReadRequest::encode(ByteWriter& out) const {
    out.u32(size);
    out.u32(flags);
    out.u32(token_time_to_live_ms);
    out.u32(0);
    out.u64(file_offset);
    out.u64(copy_length);
}

Result<OffloadReadResponse, NtStatus> OffloadReadResponse::decode(Bytes output) {
    ByteReader in(output);
    OffloadReadResponse r;
    if (in.u32() != size) return bad;
    r.flags = in.u32();
    r.transfer_length = in.u64();
    r.token = in.bytes(offload_token_size);
    if (!in.ok()) return bad;
    return r;
}

void OffloadReadResponse::encode(ByteWriter& out) const {
    ATOLL_ASSERT(token.size() == offload_token_size);
    out.u32(size);
    out.u32(flags);
    out.u64(transfer_length);
    out.bytes(token);
}

Result<OffloadWriteRequest, NtStatus> OffloadWriteRequest::decode(Bytes input) {
    ByteReader in(input);
    OffloadWriteRequest r;
    if (in.u32() != size) return bad;
    r.flags = in.u32();
    r.file_offset = in.u64();
    r.copy_length = in.u64();
    r.transfer_offset = in.u64();
    r.token = in.bytes(offload_token_size);
    if (!in.ok()) return bad;
    return r;
}

void OffloadWriteRequest::encode(ByteWriter& out) const {
    ATOLL_ASSERT(token.size() == offload_token_size);
    out.u32(size);
    out.u32(flags);
    out.u64(file_offset);
    out.u64(copy_length);
    out.u64(transfer_offset);
    out.bytes(token);
}

Result<OffloadWriteResponse, NtStatus> OffloadWriteResponse::decode(Bytes output) {
    ByteReader in(output);
    OffloadWriteResponse r;
    if (in.u32() != size) return bad;
    r.flags = in.u32();
    r.length_written = in.u64();
    if (!in.ok()) return bad;
    return r;
}

void OffloadWriteResponse::encode(ByteWriter& out) const {
    out.u32(size);
    out.u32(flags);
    out.u64(length_written);
}

}  // namespace Atoll::smb
