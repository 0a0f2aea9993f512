// PDUs of connection-oriented DCE/RPC (C706 12.6, MS-RPCE 2.2.2), both directions, without I/O or state.
//
// Decoders take either byte order (C706 14.1: the receiver makes it right) and never read outside what they are given; what they cannot
// read is nullopt. Views point into the PDU. Encoders write little-endian, append to the Buffer and set frag_length.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/guid.h"

namespace Atoll::rpc {

enum class PduType : uint8_t {  // C706 12.6.4.1
    request = 0,
    response = 2,
    fault = 3,
    bind = 11,
    bind_ack = 12,
    bind_nak = 13,
    alter_context = 14,
    alter_context_response = 15,
    auth3 = 16,  // MS-RPCE 2.2.2.10
    shutdown = 17,
    co_cancel = 18,
    orphaned = 19,
};

namespace pdu_flags {  // C706 12.6.3.1
constexpr uint8_t first = 0x01;
constexpr uint8_t last = 0x02;
constexpr uint8_t pending_cancel = 0x04;       // of requests
constexpr uint8_t support_header_sign = 0x04;  // of bind, alter_context and their answers (MS-RPCE 2.2.2.3)
constexpr uint8_t concurrent_multiplexing = 0x10;
constexpr uint8_t did_not_execute = 0x20;
constexpr uint8_t maybe = 0x40;
constexpr uint8_t object_uuid = 0x80;
}  // namespace pdu_flags

// Why a call failed: the status of a fault PDU (C706 appendix E, MS-RPCE 3.1.3.5.2, 3.3.3.5). Other values may come from the wire.
enum class Fault : uint32_t {
    none = 0,
    access_denied = 0x00000005,
    bad_stub_data = 0x000006F7,      // nca_s_fault_ndr: the parameters do not decode
    op_range_error = 0x1C010002,     // nca_s_op_rng_error
    unknown_interface = 0x1C010003,  // nca_s_unk_if
    protocol_error = 0x1C01000B,     // nca_s_proto_error
    cancelled = 0x1C00000D,          // nca_s_fault_cancel
    context_mismatch = 0x1C00001A,   // nca_s_fault_context_mismatch: no such context handle
    no_memory = 0x1C00001B,          // nca_s_fault_remote_no_memory
};

// Why a bind was refused as a whole (C706 12.6.3.1, MS-RPCE 2.2.2.5).
enum class BindRefusal : uint16_t {
    not_specified = 0,
    temporary_congestion = 1,
    local_limit_exceeded = 2,
    protocol_version_not_supported = 4,
    authentication_type_not_recognized = 8,
    invalid_checksum = 9,
};

enum class ContextResult : uint16_t { acceptance = 0, user_rejection = 1, provider_rejection = 2, negotiate_ack = 3 };

enum class ContextReason : uint16_t {  // of a provider_rejection
    not_specified = 0,
    abstract_syntax_not_supported = 1,
    transfer_syntaxes_not_supported = 2,
    local_limit_exceeded = 3,
};

// p_syntax_id_t: an interface or a transfer syntax, and its version.
struct SyntaxId {
    static constexpr size_t size = 20;
    Guid uuid;
    uint16_t major = 0;
    uint16_t minor = 0;
    bool operator==(const SyntaxId&) const = default;
};

extern const SyntaxId ndr_syntax;    // MS-RPCE 2.2.4.12
extern const SyntaxId ndr64_syntax;  // MS-RPCE 2.2.5.1

// MS-RPCE 3.3.1.5.3: a "transfer syntax" that stands for the features that a client has.
std::optional<uint8_t> bind_time_features(const SyntaxId& syntax);
SyntaxId bind_time_feature_syntax(uint8_t features);
namespace bind_feature {  // MS-RPCE 2.2.2.14
constexpr uint8_t security_context_multiplexing = 0x01;
constexpr uint8_t keep_connection_on_orphan = 0x02;
}  // namespace bind_feature

// The first 16 bytes of every PDU.
struct PduHeader {
    static constexpr size_t size = 16;
    static constexpr uint8_t major_version = 5;

    uint8_t version = major_version;
    uint8_t minor_version = 0;
    PduType type{};
    uint8_t flags = pdu_flags::first | pdu_flags::last;
    bool big_endian = false;
    uint8_t characters = 0;  // 0: ASCII, 1: EBCDIC
    uint8_t floating = 0;    // 0: IEEE
    uint16_t frag_length = 0;
    uint16_t auth_length = 0;
    uint32_t call_id = 0;

    [[nodiscard]] bool has(uint8_t flag) const { return (flags & flag) != 0; }
    // Of at least `size` bytes. Nullopt: a data representation that C706 14.1 does not know, or a frag_length that cannot hold what
    // the header says stands in it. Type and version are not judged.
    static std::optional<PduHeader> decode(Bytes in);
};

// sec_trailer and the token behind it (MS-RPCE 2.2.2.11).
struct AuthTrailer {
    static constexpr size_t size = 8;
    uint8_t type = 0;
    uint8_t level = 0;
    uint8_t pad_length = 0;
    uint32_t context_id = 0;
    Bytes token;
};

// A PDU split into its segments (MS-RPCE 2.2.2.1).
struct Pdu {
    PduHeader header;
    Bytes body;  // behind the header, without authentication padding
    std::optional<AuthTrailer> auth;
    // `in` is one whole PDU: exactly header.frag_length bytes.
    static std::optional<Pdu> decode(Bytes in);
};

struct ContextElement {  // p_cont_elem_t
    uint16_t id = 0;
    SyntaxId abstract_syntax;
    std::vector<SyntaxId> transfer_syntaxes;
};

struct BindPdu {  // bind and alter_context
    uint16_t max_xmit_fragment = 0;
    uint16_t max_receive_fragment = 0;
    uint32_t association_group = 0;
    std::vector<ContextElement> contexts;
    static std::optional<BindPdu> decode(const Pdu& pdu);
    void encode(Buffer& out, const PduHeader& header) const;
};

struct ContextAnswer {  // p_result_t
    ContextResult result = ContextResult::acceptance;
    uint16_t reason = 0;       // a ContextReason, or of negotiate_ack the features
    SyntaxId transfer_syntax;  // zero unless accepted
    bool operator==(const ContextAnswer&) const = default;
};

struct BindAckPdu {  // bind_ack and alter_context_response
    uint16_t max_xmit_fragment = 0;
    uint16_t max_receive_fragment = 0;
    uint32_t association_group = 0;
    std::string secondary_address;
    std::vector<ContextAnswer> answers;
    static std::optional<BindAckPdu> decode(const Pdu& pdu);
    void encode(Buffer& out, const PduHeader& header) const;
};

struct BindNakPdu {
    BindRefusal refusal = BindRefusal::not_specified;
    std::vector<std::pair<uint8_t, uint8_t>> versions;  // that the server has
    static std::optional<BindNakPdu> decode(const Pdu& pdu);
    void encode(Buffer& out, const PduHeader& header) const;
};

struct RequestPdu {
    static constexpr size_t fixed_size = PduHeader::size + 8;
    uint32_t allocation_hint = 0;
    uint16_t context_id = 0;
    uint16_t opnum = 0;
    std::optional<Guid> object;  // header.flags say whether it is there
    Bytes stub;
    static std::optional<RequestPdu> decode(const Pdu& pdu);
    void encode(Buffer& out, PduHeader header) const;
};

struct ResponsePdu {
    static constexpr size_t fixed_size = PduHeader::size + 8;
    uint32_t allocation_hint = 0;
    uint16_t context_id = 0;
    uint8_t cancel_count = 0;
    Bytes stub;
    static std::optional<ResponsePdu> decode(const Pdu& pdu);
    void encode(Buffer& out, const PduHeader& header) const;
};

struct FaultPdu {
    uint32_t allocation_hint = 0;
    uint16_t context_id = 0;
    uint8_t cancel_count = 0;
    Fault status = Fault::none;
    static std::optional<FaultPdu> decode(const Pdu& pdu);
    void encode(Buffer& out, const PduHeader& header) const;
};

// co_cancel, orphaned, shutdown: a header and nothing else.
void encode_bare(Buffer& out, const PduHeader& header);

// The n bytes that the next PDU of a stream takes, once `in` holds its header. 0: more bytes are needed. Nullopt: no PDU can follow.
std::optional<size_t> next_pdu_size(Bytes in);

}  // namespace Atoll::rpc
