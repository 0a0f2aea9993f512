// FLUSH, READ, WRITE, LOCK, OPLOCK_BREAK (MS-SMB2 2.2.17 to 2.2.27). The responses of FLUSH and LOCK are EmptyMessage
// (libcli/smb/session.h). Conventions: libcli/smb/header.h.
#pragma once

#include "libcli/smb/create.h"
#include "libcli/smb/header.h"

namespace Atoll::smb {

enum class Channel : uint32_t { none = 0, rdma_v1 = 1, rdma_v1_invalidate = 2, rdma_transform = 3 };

struct FlushRequest {
    static constexpr uint16_t structure_size = 24;
    FileId file_id;

    static Result<FlushRequest, NtStatus> decode(Bytes message);
    void encode(ByteWriter& out) const;
};

namespace read_flags {
constexpr uint8_t unbuffered = 0x01;
constexpr uint8_t request_compressed = 0x02;
}  // namespace read_flags

struct ReadRequest {
    static constexpr uint16_t structure_size = 49;
    uint8_t padding = 0;  // wished DataOffset of the response
    uint8_t flags = 0;
    uint32_t length = 0;
    uint64_t offset = 0;
    FileId file_id;
    uint32_t minimum_count = 0;
    Channel channel = Channel::none;
    uint32_t remaining_bytes = 0;
    Bytes channel_info;  // empty unless channel is set

    static Result<ReadRequest, NtStatus> decode(Bytes message);
    void encode(ByteWriter& out) const;
};

struct ReadResponse {
    static constexpr uint16_t structure_size = 17;
    static constexpr size_t payload_offset = header_size + 16;  // where encode puts the data
    static constexpr uint32_t rdma_transform = 0x00000001;      // flag
    Bytes data;
    uint32_t data_remaining = 0;
    uint32_t flags = 0;

    static Result<ReadResponse, NtStatus> decode(Bytes message);  // INVALID_NETWORK_RESPONSE
    void encode(ByteWriter& out) const;
    // The 16 bytes before the data, for a response whose data stand elsewhere (in another buffer, in a file).
    static void encode_fixed(ByteWriter& out, uint32_t data_length, uint32_t data_remaining = 0, uint32_t flags = 0);
};

namespace write_flags {
constexpr uint32_t write_through = 0x00000001;
constexpr uint32_t write_unbuffered = 0x00000002;
}  // namespace write_flags

struct WriteRequest {
    static constexpr uint16_t structure_size = 49;
    static constexpr size_t payload_offset = header_size + 48;  // where encode puts the data
    uint64_t offset = 0;
    FileId file_id;
    Channel channel = Channel::none;
    uint32_t remaining_bytes = 0;
    uint32_t flags = 0;
    Bytes data;
    Bytes channel_info;

    // INVALID_PARAMETER also for a DataOffset above 0x100 (MS-SMB2 3.3.5.13).
    static Result<WriteRequest, NtStatus> decode(Bytes message);
    void encode(ByteWriter& out) const;
    static void encode_fixed(ByteWriter& out, const WriteRequest& fields, uint32_t data_length);  // the data follow at payload_offset

    // For receiving a large payload straight into its own buffer: `start` is the first payload_offset (or more) bytes of a message of
    // `message_size` bytes. The offset and length of the data if the message is a WRITE whose data lie inside it, else INVALID_PARAMETER.
    struct Payload {
        size_t offset = 0;
        size_t length = 0;
    };
    static Result<Payload, NtStatus> locate_payload(Bytes start, size_t message_size);
};

struct WriteResponse {
    static constexpr uint16_t structure_size = 17;
    uint32_t count = 0;

    static Result<WriteResponse, NtStatus> decode(Bytes message);  // INVALID_NETWORK_RESPONSE
    void encode(ByteWriter& out) const;
};

namespace lock_flags {  // MS-SMB2 2.2.26.1
constexpr uint32_t shared_lock = 0x00000001;
constexpr uint32_t exclusive_lock = 0x00000002;
constexpr uint32_t unlock = 0x00000004;
constexpr uint32_t fail_immediately = 0x00000010;
}  // namespace lock_flags

struct LockElement {
    static constexpr size_t size = 24;
    uint64_t offset = 0;
    uint64_t length = 0;
    uint32_t flags = 0;
};

struct LockRequest {
    static constexpr uint16_t structure_size = 48;
    uint8_t sequence_number = 0;  // 4 bits
    uint32_t sequence_index = 0;  // 28 bits; 1 to 64 count
    FileId file_id;
    Bytes elements;  // raw, count() * LockElement::size bytes

    [[nodiscard]] size_t count() const { return elements.size() / LockElement::size; }
    [[nodiscard]] LockElement element(size_t i) const;  // i < count()
    // INVALID_PARAMETER: LockCount 0 (MS-SMB2 3.3.5.14) or more than the message holds.
    static Result<LockRequest, NtStatus> decode(Bytes message);
    void encode(ByteWriter& out) const;
    static void encode_element(ByteWriter& out, const LockElement& element);
};

// Oplock break: notification, acknowledgment and response have one form (MS-SMB2 2.2.23.1, 2.2.24.1, 2.2.25.1).
struct OplockBreak {
    static constexpr uint16_t structure_size = 24;
    OplockLevel oplock_level = OplockLevel::none;
    FileId file_id;

    static Result<OplockBreak, NtStatus> decode(Bytes message);
    void encode(ByteWriter& out) const;
};

// Lease break acknowledgment and response have one form (MS-SMB2 2.2.24.2, 2.2.25.2).
struct LeaseBreakAck {
    static constexpr uint16_t structure_size = 36;
    LeaseKey key;
    uint32_t state = 0;

    static Result<LeaseBreakAck, NtStatus> decode(Bytes message);
    void encode(ByteWriter& out) const;
};

namespace lease_break_flags {
constexpr uint32_t ack_required = 0x01;
}

struct LeaseBreakNotification {  // MS-SMB2 2.2.23.2
    static constexpr uint16_t structure_size = 44;
    uint16_t new_epoch = 0;
    uint32_t flags = 0;
    LeaseKey key;
    uint32_t current_state = 0;
    uint32_t new_state = 0;

    static Result<LeaseBreakNotification, NtStatus> decode(Bytes message);
    void encode(ByteWriter& out) const;
};

// Which of the forms an OPLOCK_BREAK message has, by its StructureSize: 24 oplock, 36 lease acknowledgment or response, 44 lease
// notification; 0 if there is none.
uint16_t oplock_break_form(Bytes message);

}  // namespace Atoll::smb
