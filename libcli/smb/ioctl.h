// IOCTL (MS-SMB2 2.2.31, 2.2.32) and the payloads of its control codes (also MS-FSCC 2.3). Conventions: libcli/smb/header.h; the payload
// structs decode from the payload alone and fail with INVALID_PARAMETER.
#pragma once

#include <array>
#include <optional>

#include "libcli/smb/header.h"
#include "libcli/smb/negotiate.h"

namespace Atoll::smb {

enum class ControlCode : uint32_t {
    dfs_get_referrals = 0x00060194,
    dfs_get_referrals_ex = 0x000601B0,
    pipe_peek = 0x0011400C,
    pipe_wait = 0x00110018,
    pipe_transceive = 0x0011C017,
    srv_copychunk = 0x001440F2,
    srv_copychunk_write = 0x001480F2,
    srv_enumerate_snapshots = 0x00144064,
    srv_request_resume_key = 0x00140078,
    srv_read_hash = 0x001441BB,
    lmr_request_resiliency = 0x001401D4,
    lmr_set_link_tracking_information = 0x001400EC,
    query_network_interface_info = 0x001401FC,
    validate_negotiate_info = 0x00140204,
    // MS-FSCC 2.3
    create_or_get_object_id = 0x000900C0,
    get_object_id = 0x0009009C,
    set_object_id = 0x00090098,
    set_object_id_extended = 0x000900BC,
    delete_object_id = 0x000900A0,
    get_reparse_point = 0x000900A8,
    set_reparse_point = 0x000900A4,
    delete_reparse_point = 0x000900AC,
    duplicate_extents_to_file = 0x00098344,
    duplicate_extents_to_file_ex = 0x000983E8,
    file_level_trim = 0x00098208,
    get_compression = 0x0009003C,
    set_compression = 0x0009C040,
    get_integrity_information = 0x0009027C,
    set_integrity_information = 0x0009C280,
    get_ntfs_volume_data = 0x00090064,
    is_pathname_valid = 0x0009002C,
    offload_read = 0x00094264,
    offload_write = 0x00098268,
    query_allocated_ranges = 0x000940CF,
    query_file_regions = 0x00090284,
    query_on_disk_volume_info = 0x0009013C,
    set_sparse = 0x000900C4,
    set_zero_data = 0x000980C8,
    set_zero_on_deallocation = 0x00090194,
    svhdx_sync_tunnel_request = 0x00090304,
    query_shared_virtual_disk_support = 0x00090300,
};

namespace ioctl_flags {
constexpr uint32_t is_fsctl = 0x00000001;
}

struct IoctlRequest {
    static constexpr uint16_t structure_size = 57;
    ControlCode ctl_code{};
    FileId file_id;
    Bytes input;
    uint32_t max_input_response = 0;
    uint32_t max_output_response = 0;
    uint32_t flags = 0;

    static Result<IoctlRequest, NtStatus> decode(Bytes message);
    void encode(ByteWriter& out) const;
};

struct IoctlResponse {
    static constexpr uint16_t structure_size = 49;
    static constexpr size_t payload_offset = header_size + 48;
    ControlCode ctl_code{};
    FileId file_id;
    Bytes input;  // of pass-through codes only
    Bytes output;

    static Result<IoctlResponse, NtStatus> decode(Bytes message);  // INVALID_NETWORK_RESPONSE
    void encode(ByteWriter& out) const;
    // In place, without input: begin, append the output, finish.
    static void begin(ByteWriter& out, ControlCode ctl_code, const FileId& file_id);
    static void finish(ByteWriter& out);
};

struct ValidateNegotiateInfoRequest {  // MS-SMB2 2.2.31.4
    uint32_t capabilities = 0;
    Guid guid;
    uint16_t security_mode = 0;
    U16List dialects;
    static Result<ValidateNegotiateInfoRequest, NtStatus> decode(Bytes input);
    void encode(ByteWriter& out) const;
};

struct ValidateNegotiateInfoResponse {  // MS-SMB2 2.2.32.6
    static constexpr size_t size = 24;
    uint32_t capabilities = 0;
    Guid guid;
    uint16_t security_mode = 0;
    Dialect dialect = Dialect::none;
    static Result<ValidateNegotiateInfoResponse, NtStatus> decode(Bytes output);
    void encode(ByteWriter& out) const;
};

using ResumeKey = std::array<uint8_t, 24>;

struct CopyChunk {  // MS-SMB2 2.2.31.1.1
    static constexpr size_t size = 24;
    uint64_t source_offset = 0;
    uint64_t target_offset = 0;
    uint32_t length = 0;
};

struct CopyChunkRequest {  // MS-SMB2 2.2.31.1
    static constexpr size_t fixed_size = 32;
    ResumeKey source_key{};
    Bytes chunks;  // raw
    [[nodiscard]] size_t count() const { return chunks.size() / CopyChunk::size; }
    [[nodiscard]] CopyChunk chunk(size_t i) const;  // i < count()
    static Result<CopyChunkRequest, NtStatus> decode(Bytes input);
    void encode(ByteWriter& out) const;
    static void encode_chunk(ByteWriter& out, const CopyChunk& chunk);
};

struct CopyChunkResponse {  // MS-SMB2 2.2.32.1; with INVALID_PARAMETER the fields are the server's limits
    static constexpr size_t size = 12;
    uint32_t chunks_written = 0;
    uint32_t chunk_bytes_written = 0;
    uint32_t total_bytes_written = 0;
    static Result<CopyChunkResponse, NtStatus> decode(Bytes output);
    void encode(ByteWriter& out) const;
};

struct ResumeKeyResponse {              // MS-SMB2 2.2.32.3
    static constexpr size_t size = 32;  // with the four bytes that stand for the empty Context, as servers send it
    ResumeKey key{};
    static Result<ResumeKeyResponse, NtStatus> decode(Bytes output);
    void encode(ByteWriter& out) const;
};

struct ResiliencyRequest {  // MS-SMB2 2.2.31.3
    static constexpr size_t size = 8;
    uint32_t timeout_ms = 0;
    static Result<ResiliencyRequest, NtStatus> decode(Bytes input);
    void encode(ByteWriter& out) const;
};

struct SnapshotArray {  // MS-SMB2 2.2.32.2
    static constexpr size_t fixed_size = 12;
    uint32_t number_of_snapshots = 0;
    uint32_t number_returned = 0;
    uint32_t array_size = 0;  // bytes of the array, or those that it would need
    Bytes snapshots;          // UTF-16LE @GMT tokens, each terminated, and one more terminator
    static Result<SnapshotArray, NtStatus> decode(Bytes output);
    void encode(ByteWriter& out) const;
};

struct ReadHashRequest {  // MS-SMB2 2.2.31.2
    static constexpr size_t size = 24;
    uint32_t hash_type = 0;
    uint32_t hash_version = 0;
    uint32_t retrieval_type = 0;
    uint32_t length = 0;
    uint64_t offset = 0;
    static Result<ReadHashRequest, NtStatus> decode(Bytes input);
    void encode(ByteWriter& out) const;
};

struct ReadHashResponse {  // MS-SMB2 2.2.32.4.2 (hash based) and 2.2.32.4.3 (file based)
    bool file_based = false;
    uint64_t offset = 0;
    uint64_t file_data_length = 0;  // file based only
    Bytes buffer;
    static Result<ReadHashResponse, NtStatus> decode(Bytes output, bool file_based);
    void encode(ByteWriter& out) const;
};

struct NetworkInterface {  // MS-SMB2 2.2.32.5
    static constexpr size_t size = 152;
    static constexpr uint32_t rss_capable = 0x00000001;
    static constexpr uint32_t rdma_capable = 0x00000002;
    uint32_t index = 0;
    uint32_t capability = 0;
    uint64_t link_speed = 0;  // bits per second
    bool ipv6 = false;
    std::array<uint8_t, 16> address{};  // network order; IPv4 in the first four bytes
    uint32_t scope_id = 0;              // IPv6
};

// The list of interfaces, appended to `out` one by one; `last` is the position that the call before returned (nothing for the first).
size_t append_network_interface(ByteWriter& out, const NetworkInterface& interface, std::optional<size_t> last);
class NetworkInterfaceReader {
 public:
    explicit NetworkInterfaceReader(Bytes output) : rest_(output) {}
    std::optional<NetworkInterface> next();  // skips those of unknown family
    [[nodiscard]] bool malformed() const { return malformed_; }

 private:
    Bytes rest_;
    bool malformed_ = false;
};

struct PipeWaitRequest {   // MS-FSCC 2.3.49
    uint64_t timeout = 0;  // 100 ns units, if
    bool timeout_specified = false;
    Bytes name;  // UTF-16LE
    static Result<PipeWaitRequest, NtStatus> decode(Bytes input);
    void encode(ByteWriter& out) const;
};

struct PipePeekResponse {  // MS-FSCC 2.3.46
    static constexpr size_t fixed_size = 16;
    uint32_t state = 0;
    uint32_t read_data_available = 0;
    uint32_t number_of_messages = 0;
    uint32_t message_length = 0;
    Bytes data;
    static Result<PipePeekResponse, NtStatus> decode(Bytes output);
    void encode(ByteWriter& out) const;
};

struct SetZeroData {  // MS-FSCC 2.3.85
    uint64_t file_offset = 0;
    uint64_t beyond_final_zero = 0;
    static Result<SetZeroData, NtStatus> decode(Bytes input);  // also offsets that are negative or in the wrong order
    void encode(ByteWriter& out) const;
};

struct AllocatedRange {  // MS-FSCC 2.3.51, 2.3.52: input and each entry of the output
    static constexpr size_t size = 16;
    uint64_t file_offset = 0;
    uint64_t length = 0;
    static Result<AllocatedRange, NtStatus> decode(Bytes input);
    void encode(ByteWriter& out) const;
};

struct DuplicateExtents {  // MS-FSCC 2.3.7.2 (SMB2_DUPLICATE_EXTENTS_DATA) and 2.3.9.2 (EX)
    static constexpr size_t size = 40;
    static constexpr size_t size_ex = 56;
    static constexpr uint32_t source_atomic = 0x00000001;  // flag of EX
    FileId source;
    uint64_t source_offset = 0;
    uint64_t target_offset = 0;
    uint64_t byte_count = 0;
    uint32_t flags = 0;  // EX
    static Result<DuplicateExtents, NtStatus> decode(Bytes input, bool ex);
    void encode(ByteWriter& out, bool ex) const;
};

struct FileLevelTrim {  // MS-FSCC 2.3.13
    static constexpr size_t range_size = 16;
    uint32_t key = 0;
    Bytes ranges;  // raw pairs of offset and length
    [[nodiscard]] size_t count() const { return ranges.size() / range_size; }
    [[nodiscard]] AllocatedRange range(size_t i) const;  // i < count()
    static Result<FileLevelTrim, NtStatus> decode(Bytes input);
    void encode(ByteWriter& out) const;
};

struct IntegrityInformation {  // MS-FSCC 2.3.20 (get reply, 16 bytes) and 2.3.73 (set request, 8 bytes)
    static constexpr size_t get_size = 16;
    static constexpr size_t set_size = 8;
    uint16_t checksum_algorithm = 0;
    uint32_t flags = 0;
    uint32_t checksum_chunk_size = 0;  // get only
    uint32_t cluster_size = 0;         // get only
    static Result<IntegrityInformation, NtStatus> decode_get(Bytes output);
    static Result<IntegrityInformation, NtStatus> decode_set(Bytes input);
    void encode_get(ByteWriter& out) const;
    void encode_set(ByteWriter& out) const;
};

struct FileRegionsRequest {  // MS-FSCC 2.3.55; an empty input asks for the whole file
    uint64_t file_offset = 0;
    uint64_t length = ~uint64_t{0} >> 1;
    uint32_t desired_usage = 1;
    static Result<FileRegionsRequest, NtStatus> decode(Bytes input);
    void encode(ByteWriter& out) const;
};

struct OffloadReadRequest {  // MS-FSCC 2.3.41
    static constexpr size_t size = 32;
    uint32_t flags = 0;
    uint32_t token_time_to_live_ms = 0;
    uint64_t file_offset = 0;
    uint64_t copy_length = 0;
    static Result<OffloadReadRequest, NtStatus> decode(Bytes input);
    void encode(ByteWriter& out) const;
};

constexpr size_t offload_token_size = 512;  // MS-FSCC 2.1.11

struct OffloadReadResponse {  // MS-FSCC 2.3.42
    static constexpr size_t size = 16 + offload_token_size;
    uint32_t flags = 0;
    uint64_t transfer_length = 0;
    Bytes token;  // offload_token_size bytes
    static Result<OffloadReadResponse, NtStatus> decode(Bytes output);
    void encode(ByteWriter& out) const;
};

struct OffloadWriteRequest {  // MS-FSCC 2.3.43
    static constexpr size_t size = 32 + offload_token_size;
    uint32_t flags = 0;
    uint64_t file_offset = 0;
    uint64_t copy_length = 0;
    uint64_t transfer_offset = 0;
    Bytes token;
    static Result<OffloadWriteRequest, NtStatus> decode(Bytes input);
    void encode(ByteWriter& out) const;
};

struct OffloadWriteResponse {  // MS-FSCC 2.3.44
    static constexpr size_t size = 16;
    uint32_t flags = 0;
    uint64_t length_written = 0;
    static Result<OffloadWriteResponse, NtStatus> decode(Bytes output);
    void encode(ByteWriter& out) const;
};

}  // namespace Atoll::smb
