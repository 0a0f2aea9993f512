// The SMB2 packet header, the transform headers around it, and how to tell frames apart (MS-SMB2 2.2.1, 2.2.41, 2.2.42).
//
// Conventions of this room, for every message of it:
// - A *message* is the bytes from its own SMB2 header to where the next message of the compound begins (Header::next_command) or the
//   frame ends. Offsets on the wire count from the start of that header, so that is what every decoder gets.
// - `static Result<T, NtStatus> decode(Bytes message)` checks StructureSize, offsets and lengths as MS-SMB2 says and returns views into
//   `message`: nothing is copied or allocated, and the struct may not outlive the frame. The error is what the server answers.
//   Names are UTF-16LE bytes without terminator; whoever uses them converts them.
// - `void encode(ByteWriter& out) const` appends the body after Header::encode() was given the same writer; the writer must have been
//   made where the header starts. encode() asserts only what a caller controls (lengths that fit their fields).
// - Reserved fields are not kept: encode writes zero, decode ignores them unless the specification says to check them.
// - All integers are little-endian on the wire and plain numbers here; times are NtTime; sizes are bytes.
// Pure functions over their arguments: thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/guid.h"
#include "base/nt_status.h"
#include "base/result.h"
#include "base/time.h"

namespace Atoll::smb {

enum class Command : uint16_t {
    negotiate = 0,
    session_setup = 1,
    logoff = 2,
    tree_connect = 3,
    tree_disconnect = 4,
    create = 5,
    close = 6,
    flush = 7,
    read = 8,
    write = 9,
    lock = 10,
    ioctl = 11,
    cancel = 12,
    echo = 13,
    query_directory = 14,
    change_notify = 15,
    query_info = 16,
    set_info = 17,
    oplock_break = 18,
    server_to_client_notification = 19,
};
constexpr uint16_t command_count = 20;
const char* to_string(Command command);  // "NEGOTIATE"; "UNKNOWN" for any other value

enum class Dialect : uint16_t {
    none = 0,
    smb2_02 = 0x0202,
    smb2_10 = 0x0210,
    smb3_00 = 0x0300,
    smb3_02 = 0x0302,
    smb3_11 = 0x0311,
    smb2_wildcard = 0x02FF,  // the answer to an SMB1 NEGOTIATE with "SMB 2.???" (MS-SMB2 3.3.5.3.2)
};
const char* to_string(Dialect dialect);  // "3.1.1"

namespace header_flags {  // MS-SMB2 2.2.1
constexpr uint32_t server_to_redir = 0x00000001;
constexpr uint32_t async_command = 0x00000002;
constexpr uint32_t related_operations = 0x00000004;
constexpr uint32_t is_signed = 0x00000008;
constexpr uint32_t priority_mask = 0x00000070;
constexpr uint32_t dfs_operations = 0x10000000;
constexpr uint32_t replay_operation = 0x20000000;
}  // namespace header_flags

constexpr size_t header_size = 64;
constexpr uint32_t smb2_protocol_id = 0x424D53FE;         // 0xFE 'S' 'M' 'B'
constexpr uint32_t smb1_protocol_id = 0x424D53FF;         // 0xFF 'S' 'M' 'B'
constexpr uint32_t transform_protocol_id = 0x424D53FD;    // 0xFD 'S' 'M' 'B'
constexpr uint32_t compression_protocol_id = 0x424D53FC;  // 0xFC 'S' 'M' 'B'
constexpr size_t signature_offset = 48;                   // of the 16 signature bytes in the header
constexpr size_t signature_size = 16;
using Signature = std::array<uint8_t, signature_size>;

enum class FrameKind { smb2, smb1, transform, compression, unknown };
FrameKind frame_kind(Bytes frame);  // by the first four bytes; unknown if there are fewer

// The identifier of an open (MS-SMB2 2.2.14.1).
struct FileId {
    uint64_t persistent_id = 0;
    uint64_t volatile_id = 0;

    auto operator<=>(const FileId&) const = default;
    // All ones: "the open of the request before" in a related compound (MS-SMB2 3.3.5.2.7.2).
    [[nodiscard]] bool is_related() const { return persistent_id == ~uint64_t{0} && volatile_id == ~uint64_t{0}; }
    static FileId related() { return {~uint64_t{0}, ~uint64_t{0}}; }
    static FileId decode(ByteReader& in);
    void encode(ByteWriter& out) const;
};

// MS-SMB2 2.2.1.1 and 2.2.1.2; which of the two it is, is in flags.
struct Header {
    uint16_t credit_charge = 0;
    NtStatus status{};  // of a response; in a request of the SMB 3.x dialects the first 16 bits are the channel sequence
    Command command = Command::negotiate;
    uint16_t credits = 0;  // CreditRequest or CreditResponse
    uint32_t flags = 0;
    uint32_t next_command = 0;  // bytes from this header to the next of the compound, 0 in the last
    uint64_t message_id = 0;
    uint32_t process_id = 0;  // sync only; Reserved in the SMB 3.x dialects
    uint32_t tree_id = 0;     // sync only
    uint64_t async_id = 0;    // async only
    uint64_t session_id = 0;
    Signature signature{};

    [[nodiscard]] bool is_response() const { return (flags & header_flags::server_to_redir) != 0; }
    [[nodiscard]] bool is_async() const { return (flags & header_flags::async_command) != 0; }
    [[nodiscard]] bool is_related() const { return (flags & header_flags::related_operations) != 0; }
    [[nodiscard]] bool is_signed() const { return (flags & header_flags::is_signed) != 0; }
    [[nodiscard]] bool is_replay() const { return (flags & header_flags::replay_operation) != 0; }
    [[nodiscard]] uint16_t channel_sequence() const { return static_cast<uint16_t>(to_u32(status)); }
    void set_channel_sequence(uint16_t sequence) { status = nt_status(sequence); }

    // Fails with INVALID_PARAMETER: shorter than 64 bytes, not 0xFE 'SMB', StructureSize not 64. next_command is the splitter's to check.
    static Result<Header, NtStatus> decode(Bytes message);
    void encode(ByteWriter& out) const;
};

// Splits a compound (MS-SMB2 3.3.5.2.7): give it the frame and call next() until it returns nothing.
class CompoundReader {
 public:
    explicit CompoundReader(Bytes frame) : rest_(frame) {}

    struct Part {
        Header header;
        Bytes message;      // from its header to the next one, padding included
        size_t offset = 0;  // of the header in the frame
    };
    // Nothing after the last message, and nothing (with malformed() true) where the rest is not a message: too short, a bad header,
    // a next_command that is not a multiple of 8, less than a header, or past the end.
    std::optional<Part> next();
    [[nodiscard]] bool malformed() const { return malformed_; }

 private:
    Bytes rest_;
    size_t offset_ = 0;
    bool malformed_ = false;
};

// The body of a message, positioned after its StructureSize; for the decoders of this room and for tests.
// Fails with `error` if the message is shorter than header + (structure_size & ~1) or StructureSize is another.
Result<ByteReader, NtStatus> open_body(Bytes message, uint16_t structure_size, NtStatus error = NtStatus::INVALID_PARAMETER);

// A buffer that a message names by offset (from its header) and length. An empty one may have any offset. `first` is the lowest offset
// allowed, the end of the fixed part. Fails with `error`.
Result<Bytes, NtStatus> body_buffer(Bytes message, size_t offset, size_t length, size_t first,
                                    NtStatus error = NtStatus::INVALID_PARAMETER);

// MS-SMB2 2.2.41. The encrypted message follows; the authenticated data are the 32 bytes from nonce on.
struct TransformHeader {
    static constexpr size_t size = 52;
    static constexpr size_t authenticated_offset = 20;  // of the associated data, which reach to the end of the header
    static constexpr uint16_t encrypted = 0x0001;       // the only value of flags
    Signature signature{};
    std::array<uint8_t, 16> nonce{};  // the first 11 (CCM) or 12 (GCM) bytes count
    uint32_t original_message_size = 0;
    uint16_t flags = encrypted;  // EncryptionAlgorithm in the SMB 3.0 dialects, where 1 is AES-128-CCM
    uint64_t session_id = 0;

    // INVALID_PARAMETER: too short, another protocol id, flags not 1 (MS-SMB2 3.3.5.2.1.1), or original_message_size not what follows.
    static Result<TransformHeader, NtStatus> decode(Bytes frame);
    void encode(ByteWriter& out) const;
};

enum class CompressionAlgorithm : uint16_t {  // MS-SMB2 2.2.3.1.3
    none = 0,
    lznt1 = 1,
    lz77 = 2,
    lz77_huffman = 3,
    pattern_v1 = 4,
    lz4 = 5,
};

// MS-SMB2 2.2.42.1 and 2.2.42.2 up to the first payload header, which have the same first eight bytes.
struct CompressionTransformHeader {
    static constexpr size_t unchained_size = 16;
    static constexpr size_t chained_size = 8;  // then payloads
    uint32_t original_size = 0;                // unchained: of the compressed segment; chained: of the whole message
    bool chained = false;
    // Unchained only:
    CompressionAlgorithm algorithm = CompressionAlgorithm::none;
    uint32_t offset = 0;  // bytes of uncompressed data between header and compressed data

    // INVALID_PARAMETER: too short, another protocol id, flags neither 0 nor 1, offset past the end.
    static Result<CompressionTransformHeader, NtStatus> decode(Bytes frame);
    void encode(ByteWriter& out) const;
};

// One payload of a chained compressed message (MS-SMB2 2.2.42.2.1, 2.2.42.2.2).
struct CompressionPayload {
    CompressionAlgorithm algorithm = CompressionAlgorithm::none;
    uint16_t flags = 0;
    uint32_t original_size = 0;  // of this payload uncompressed; on the wire for LZNT1, LZ77, LZ77+Huffman and LZ4 only, else derived
    Bytes data;                  // compressed (or, for none, plain) data; empty for pattern_v1
    uint8_t pattern = 0;         // pattern_v1: this byte,
    uint32_t repetitions = 0;    // this many times

    // Takes the next payload from the reader. INVALID_PARAMETER on bad lengths or an unknown algorithm.
    static Result<CompressionPayload, NtStatus> decode(ByteReader& in);
    void encode(ByteWriter& out) const;
};

}  // namespace Atoll::smb
