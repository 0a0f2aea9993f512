// NEGOTIATE and its contexts (MS-SMB2 2.2.3, 2.2.4), and the SMB1 NEGOTIATE that may come before it (MS-SMB2 3.3.5.3).
// Conventions: libcli/smb/header.h.
#pragma once

#include <initializer_list>
#include <optional>
#include <span>

#include "base/limits.h"
#include "libcli/smb/algorithms.h"
#include "libcli/smb/header.h"

namespace Atoll::smb {

namespace security_mode {  // MS-SMB2 2.2.3
constexpr uint16_t signing_enabled = 0x0001;
constexpr uint16_t signing_required = 0x0002;
}  // namespace security_mode

namespace global_cap {  // MS-SMB2 2.2.3
constexpr uint32_t dfs = 0x00000001;
constexpr uint32_t leasing = 0x00000002;
constexpr uint32_t large_mtu = 0x00000004;
constexpr uint32_t multi_channel = 0x00000008;
constexpr uint32_t persistent_handles = 0x00000010;
constexpr uint32_t directory_leasing = 0x00000020;
constexpr uint32_t encryption = 0x00000040;
constexpr uint32_t notifications = 0x00000080;
}  // namespace global_cap

enum class NegotiateContextType : uint16_t {  // MS-SMB2 2.2.3.1
    preauth_integrity = 0x0001,
    encryption = 0x0002,
    compression = 0x0003,
    netname = 0x0005,
    transport = 0x0006,
    rdma_transform = 0x0007,
    signing = 0x0008,
    reserved = 0x0100,
};

// A list of 16-bit numbers as it stands in a frame or in the caller's array; it owns nothing.
class U16List {
 public:
    U16List() = default;
    explicit U16List(Bytes raw) : raw_(raw.first(raw.size() & ~size_t{1})) {}
    template <class T>
    requires(sizeof(T) == 2) explicit U16List(std::span<const T> values)
        : raw_(reinterpret_cast<const uint8_t*>(values.data()), values.size() * 2) {}

    [[nodiscard]] size_t size() const { return raw_.size() / 2; }
    [[nodiscard]] bool empty() const { return raw_.empty(); }
    uint16_t operator[](size_t i) const { return load_le<uint16_t>(raw_.subspan(i * 2, 2).data()); }
    template <class T>
    [[nodiscard]] bool contains(T value) const {
        for (size_t i = 0; i < size(); ++i) {
            if ((*this)[i] == static_cast<uint16_t>(value)) return true;
        }
        return false;
    }
    [[nodiscard]] Bytes raw() const { return raw_; }

 private:
    Bytes raw_;
};

struct PreauthCapabilities {  // MS-SMB2 2.2.3.1.1
    U16List hash_algorithms;
    Bytes salt;
};

struct CompressionCapabilities {  // MS-SMB2 2.2.3.1.3
    static constexpr uint32_t chained = 0x00000001;
    uint32_t flags = 0;
    U16List algorithms;
};

namespace transport_capability {  // MS-SMB2 2.2.3.1.5
constexpr uint32_t accept_transport_level_security = 0x00000001;
}
namespace rdma_transform {  // MS-SMB2 2.2.3.1.6
constexpr uint16_t none = 0x0000;
constexpr uint16_t encryption = 0x0001;
constexpr uint16_t signing = 0x0002;
}  // namespace rdma_transform

// The contexts of one NEGOTIATE request or response. Those that are not known are skipped.
struct NegotiateContexts {
    std::optional<PreauthCapabilities> preauth;
    std::optional<U16List> ciphers;
    std::optional<CompressionCapabilities> compression;
    std::optional<Bytes> netname;  // UTF-16LE
    std::optional<uint32_t> transport;
    std::optional<U16List> rdma_transforms;
    std::optional<U16List> signing;

    [[nodiscard]] uint16_t count() const;
    // `contexts` is where the list begins; INVALID_PARAMETER (MS-SMB2 3.3.5.4): a context that does not fit, a second one of a kind
    // that may come once, an array that is empty where it may not be, or more than limits::max_negotiate_contexts.
    static Result<NegotiateContexts, NtStatus> decode(Bytes contexts, uint16_t count);
    void encode(ByteWriter& out) const;  // the writer's position is a multiple of 8
};

struct NegotiateRequest {
    static constexpr uint16_t structure_size = 36;
    uint16_t security_mode = 0;
    uint32_t capabilities = 0;
    Guid client_guid;
    U16List dialects;
    NegotiateContexts contexts;  // read and written only if dialects has 3.1.1

    // INVALID_PARAMETER: no dialect, more than limits::max_dialects, or bad contexts. A 3.1.1 request must have a preauth context
    // (MS-SMB2 3.3.5.4), but whether 3.1.1 is chosen is the server's matter, so that is checked there.
    static Result<NegotiateRequest, NtStatus> decode(Bytes message);
    void encode(ByteWriter& out) const;
};

struct NegotiateResponse {
    static constexpr uint16_t structure_size = 65;
    uint16_t security_mode = 0;
    Dialect dialect = Dialect::none;
    Guid server_guid;
    uint32_t capabilities = 0;
    uint32_t max_transact_size = 0;
    uint32_t max_read_size = 0;
    uint32_t max_write_size = 0;
    NtTime system_time;
    NtTime server_start_time;
    Bytes security_buffer;       // SPNEGO token
    NegotiateContexts contexts;  // 3.1.1 only

    static Result<NegotiateResponse, NtStatus> decode(Bytes message);  // INVALID_NETWORK_RESPONSE
    void encode(ByteWriter& out) const;
};

// What an SMB1 NEGOTIATE (MS-SMB 2.2.4.5.1, MS-CIFS 2.2.4.52.1) offers of SMB2 (MS-SMB2 3.3.5.3).
struct Smb1Negotiate {
    bool smb2_002 = false;  // "SMB 2.002"
    bool smb2_xxx = false;  // "SMB 2.???"

    // `frame` begins with 0xFF 'SMB'. INVALID_PARAMETER if it is no well-formed NEGOTIATE request.
    static Result<Smb1Negotiate, NtStatus> decode(Bytes frame);
    // A request that offers "NT LM 0.12" and these, as a multi-protocol client sends it.
    void encode(ByteWriter& out) const;
};

}  // namespace Atoll::smb
