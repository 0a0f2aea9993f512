// The contexts of CREATE (MS-SMB2 2.2.13.2, 2.2.14.2). Conventions: libcli/smb/header.h.
#pragma once

#include <optional>

#include "base/limits.h"
#include "libcli/smb/header.h"

namespace Atoll::smb {

namespace lease_state {  // MS-SMB2 2.2.13.2.8
constexpr uint32_t none = 0x00;
constexpr uint32_t read_caching = 0x01;
constexpr uint32_t handle_caching = 0x02;
constexpr uint32_t write_caching = 0x04;
}  // namespace lease_state

namespace lease_flags {
constexpr uint32_t break_in_progress = 0x00000002;     // response (MS-SMB2 2.2.14.2.10)
constexpr uint32_t parent_lease_key_set = 0x00000004;  // version 2
}  // namespace lease_flags

namespace durable_flags {  // MS-SMB2 2.2.13.2.11
constexpr uint32_t persistent = 0x00000002;
}

using LeaseKey = Guid;

// RqLs of either version, in both directions (MS-SMB2 2.2.13.2.8, 2.2.13.2.10, 2.2.14.2.10, 2.2.14.2.11).
struct LeaseContext {
    uint8_t version = 1;  // 1: 32 bytes, 2: 52 bytes
    LeaseKey key;
    uint32_t state = 0;
    uint32_t flags = 0;
    LeaseKey parent_key;  // version 2
    uint16_t epoch = 0;   // version 2
};

struct DurableRequestV2 {     // DH2Q
    uint32_t timeout_ms = 0;  // 0: the server's default
    uint32_t flags = 0;
    Guid create_guid;
};

struct DurableReconnectV2 {  // DH2C
    FileId file_id;
    Guid create_guid;
    uint32_t flags = 0;
};

struct AppInstanceVersion {  // MS-SMB2 2.2.13.2.15
    uint64_t high = 0;
    uint64_t low = 0;
};

// SVHDX_OPEN_DEVICE_CONTEXT, both versions and its response (MS-RSVD 2.2.4.12, 2.2.4.32, 2.2.4.13, 2.2.4.33).
struct SvhdxOpenDevice {
    uint32_t version = 1;  // 1 or 2
    bool has_initiator_id = false;
    Guid initiator_id;
    uint32_t flags = 0;
    uint32_t originator_flags = 0;
    uint64_t open_request_id = 0;
    Bytes initiator_host_name;                         // UTF-16LE, at most 126 bytes
    uint32_t virtual_disk_properties_initialized = 0;  // version 2 from here
    uint32_t server_service_version = 0;
    uint32_t virtual_sector_size = 0;
    uint32_t physical_sector_size = 0;
    uint64_t virtual_size = 0;
};

// The contexts of a CREATE request. Those that are not known are skipped (MS-SMB2 3.3.5.9).
struct CreateContexts {
    std::optional<Bytes> extended_attributes;                // ExtA: FILE_FULL_EA_INFORMATION list
    std::optional<Bytes> security_descriptor;                // SecD: self-relative
    bool durable_request = false;                            // DHnQ
    std::optional<FileId> durable_reconnect;                 // DHnC
    std::optional<DurableRequestV2> durable_request_v2;      // DH2Q
    std::optional<DurableReconnectV2> durable_reconnect_v2;  // DH2C
    std::optional<uint64_t> allocation_size;                 // AlSi
    bool query_maximal_access = false;                       // MxAc,
    std::optional<NtTime> maximal_access_timestamp;          // and its timestamp, if it has one
    std::optional<NtTime> timewarp;                          // TWrp
    bool query_on_disk_id = false;                           // QFid
    std::optional<LeaseContext> lease;                       // RqLs
    std::optional<Guid> app_instance_id;
    std::optional<AppInstanceVersion> app_instance_version;
    std::optional<SvhdxOpenDevice> svhdx;

    // INVALID_PARAMETER: a chain, name or data that leaves the list, Next not a multiple of 8, a name shorter than 4 bytes, data of
    // another size than the context has, a context that comes twice, or more than limits::max_create_contexts.
    static Result<CreateContexts, NtStatus> decode(Bytes list);
    // Appends the list; the writer's position is a multiple of 8.
    void encode(ByteWriter& out) const;
    [[nodiscard]] bool empty() const;
};

struct MaximalAccess {  // MxAc response (MS-SMB2 2.2.14.2.5)
    NtStatus query_status{};
    uint32_t maximal_access = 0;
};

struct OnDiskId {  // QFid response (MS-SMB2 2.2.14.2.9)
    uint64_t disk_file_id = 0;
    uint64_t volume_id = 0;
};

struct DurableResponseV2 {  // DH2Q response (MS-SMB2 2.2.14.2.12)
    uint32_t timeout_ms = 0;
    uint32_t flags = 0;
};

struct CreateResponseContexts {
    bool durable = false;  // DHnQ
    std::optional<DurableResponseV2> durable_v2;
    std::optional<MaximalAccess> maximal_access;
    std::optional<OnDiskId> on_disk_id;
    std::optional<LeaseContext> lease;
    std::optional<SvhdxOpenDevice> svhdx;

    static Result<CreateResponseContexts, NtStatus> decode(Bytes list);  // INVALID_NETWORK_RESPONSE
    void encode(ByteWriter& out) const;
    [[nodiscard]] bool empty() const;
};

// Walks a raw list of contexts, for those who want them all (tests, a hostile client).
class CreateContextReader {
 public:
    explicit CreateContextReader(Bytes list) : rest_(list) {}
    struct Context {
        Bytes name;
        Bytes data;
    };
    std::optional<Context> next();
    [[nodiscard]] bool malformed() const { return malformed_; }

 private:
    Bytes rest_;
    size_t count_ = 0;
    bool malformed_ = false;
};

// Appends one context to a list that begins where the writer was made; the contexts before it are linked to it.
class CreateContextWriter {
 public:
    explicit CreateContextWriter(ByteWriter& out) : out_(out) {}
    void add(Bytes name, Bytes data);

 private:
    ByteWriter& out_;
    static constexpr size_t none = ~size_t{0};
    size_t last_ = none;  // where the last one began
};

}  // namespace Atoll::smb
