#include "libcli/smb/negotiate.h"

#include <string_view>

namespace Atoll::smb {

namespace {

constexpr size_t context_header_size = 8;

// An array of 16-bit numbers whose count the data begins with; `skip` bytes stand between count and array.
Result<U16List, NtStatus> counted_list(ByteReader& in, size_t skip, bool may_be_empty) {
    const uint16_t count = in.u16();
    in.skip(skip);
    U16List list(in.bytes(size_t{count} * 2));
    if (!in.ok() || (count == 0 && !may_be_empty)) return NtStatus::INVALID_PARAMETER;
    return list;
}

Result<PreauthCapabilities, NtStatus> decode_preauth(ByteReader in) {
    PreauthCapabilities c;
    const uint16_t count = in.u16();
    const uint16_t salt_length = in.u16();
    c.hash_algorithms = U16List(in.bytes(size_t{count} * 2));
    c.salt = in.bytes(salt_length);
    if (!in.ok() || count == 0) return NtStatus::INVALID_PARAMETER;
    return c;
}

Result<CompressionCapabilities, NtStatus> decode_compression(ByteReader in) {
    CompressionCapabilities c;
    const uint16_t count = in.u16();
    in.skip(2);
    c.flags = in.u32();
    c.algorithms = U16List(in.bytes(size_t{count} * 2));
    if (!in.ok() || count == 0) return NtStatus::INVALID_PARAMETER;
    return c;
}

// Stores a decoded context in its place; a second one of the kind is an error (MS-SMB2 3.3.5.4).
template <class T>
bool put(std::optional<T>& place, const Result<T, NtStatus>& value) {
    if (!value || place) return false;
    place = *value;
    return true;
}

bool decode_one(NegotiateContexts& out, NegotiateContextType type, Bytes data) {
    ByteReader in(data);
    switch (type) {
        case NegotiateContextType::preauth_integrity: return put(out.preauth, decode_preauth(in));
        case NegotiateContextType::encryption: return put(out.ciphers, counted_list(in, 0, false));
        case NegotiateContextType::compression: return put(out.compression, decode_compression(in));
        case NegotiateContextType::rdma_transform: return put(out.rdma_transforms, counted_list(in, 6, false));
        case NegotiateContextType::signing: return put(out.signing, counted_list(in, 0, false));
        case NegotiateContextType::transport:
            if (data.size() < 4) return false;
            out.transport = in.u32();
            return true;
        case NegotiateContextType::netname: out.netname = data; return true;
        case NegotiateContextType::reserved: break;
    }
    return true;
}

// Writes one context's header and lets `body` write its data; the length is patched.
template <class F>
void encode_one(ByteWriter& out, NegotiateContextType type, F body) {
    out.align(8);
    const size_t start = out.position();
    out.u16(static_cast<uint16_t>(type));
    out.u16(0);
    out.u32(0);
    body();
    out.patch_u16(start + 2, static_cast<uint16_t>(out.position() - start - context_header_size));
}

void encode_counted(ByteWriter& out, const U16List& list, size_t skip) {
    out.u16(static_cast<uint16_t>(list.size()));
    out.zeros(skip);
    out.bytes(list.raw());
}

}  // namespace

uint16_t NegotiateContexts::count() const {
    return static_cast<uint16_t>(preauth.has_value() + ciphers.has_value() + compression.has_value() + netname.has_value() +
                                 transport.has_value() + rdma_transforms.has_value() + signing.has_value());
}

Result<NegotiateContexts, NtStatus> NegotiateContexts::decode(Bytes contexts, uint16_t count) {
    if (count > limits::max_negotiate_contexts) return NtStatus::INVALID_PARAMETER;
    NegotiateContexts out;
    ByteReader in(contexts);
    for (uint16_t i = 0; i < count; ++i) {
        if (i > 0) in.align(8);
        const auto type = static_cast<NegotiateContextType>(in.u16());
        const uint16_t length = in.u16();
        in.skip(4);
        Bytes data = in.bytes(length);
        if (!in.ok() || !decode_one(out, type, data)) return NtStatus::INVALID_PARAMETER;
    }
    return out;
}

void NegotiateContexts::encode(ByteWriter& out) const {
    if (preauth) {
        encode_one(out, NegotiateContextType::preauth_integrity, [&] {
            out.u16(static_cast<uint16_t>(preauth->hash_algorithms.size()));
            out.u16(static_cast<uint16_t>(preauth->salt.size()));
            out.bytes(preauth->hash_algorithms.raw());
            out.bytes(preauth->salt);
        });
    }
    if (ciphers) encode_one(out, NegotiateContextType::encryption, [&] { encode_counted(out, *ciphers, 0); });
    if (compression) {
        encode_one(out, NegotiateContextType::compression, [&] {
            out.u16(static_cast<uint16_t>(compression->algorithms.size()));
            out.u16(0);
            out.u32(compression->flags);
            out.bytes(compression->algorithms.raw());
        });
    }
    if (rdma_transforms) encode_one(out, NegotiateContextType::rdma_transform, [&] { encode_counted(out, *rdma_transforms, 6); });
    if (signing) encode_one(out, NegotiateContextType::signing, [&] { encode_counted(out, *signing, 0); });
    if (transport) encode_one(out, NegotiateContextType::transport, [&] { out.u32(*transport); });
    if (netname) encode_one(out, NegotiateContextType::netname, [&] { out.bytes(*netname); });
}

Result<NegotiateRequest, NtStatus> NegotiateRequest::decode(Bytes message) {
    auto body = open_body(message, structure_size);
    if (!body) return body.failure();
    ByteReader& in = *body;
    NegotiateRequest r;
    const uint16_t dialect_count = in.u16();
    r.security_mode = in.u16();
    in.skip(2);
    r.capabilities = in.u32();
    in.copy(r.client_guid.bytes);
    const uint32_t context_offset = in.u32();
    const uint16_t context_count = in.u16();
    in.skip(2);
    if (dialect_count == 0 || dialect_count > limits::max_dialects) return NtStatus::INVALID_PARAMETER;
    r.dialects = U16List(in.bytes(size_t{dialect_count} * 2));
    if (!in.ok()) return NtStatus::INVALID_PARAMETER;
    if (r.dialects.contains(Dialect::smb3_11) && context_count > 0) {
        // MS-SMB2 2.2.3: the list is 8-byte aligned and follows the dialects.
        if (context_offset < in.position() || context_offset > message.size() || context_offset % 8 != 0)
            return NtStatus::INVALID_PARAMETER;
        auto contexts = NegotiateContexts::decode(message.subspan(context_offset), context_count);
        if (!contexts) return contexts.failure();
        r.contexts = *contexts;
    }
    return r;
}

void NegotiateRequest::encode(ByteWriter& out) const {
    const bool with_contexts = dialects.contains(Dialect::smb3_11);
    out.u16(structure_size);
    out.u16(static_cast<uint16_t>(dialects.size()));
    out.u16(security_mode);
    out.u16(0);
    out.u32(capabilities);
    out.bytes(client_guid.bytes);
    const size_t context_fields = out.position();
    out.zeros(8);
    out.bytes(dialects.raw());
    if (!with_contexts) return;
    out.align(8);
    out.patch_u32(context_fields, static_cast<uint32_t>(out.position()));
    out.patch_u16(context_fields + 4, contexts.count());
    contexts.encode(out);
}

Result<NegotiateResponse, NtStatus> NegotiateResponse::decode(Bytes message) {
    constexpr auto bad = NtStatus::INVALID_NETWORK_RESPONSE;
    auto body = open_body(message, structure_size, bad);
    if (!body) return body.failure();
    ByteReader& in = *body;
    NegotiateResponse r;
    r.security_mode = in.u16();
    r.dialect = static_cast<Dialect>(in.u16());
    const uint16_t context_count = in.u16();
    in.copy(r.server_guid.bytes);
    r.capabilities = in.u32();
    r.max_transact_size = in.u32();
    r.max_read_size = in.u32();
    r.max_write_size = in.u32();
    r.system_time.ticks = in.u64();
    r.server_start_time.ticks = in.u64();
    const uint16_t offset = in.u16();
    const uint16_t length = in.u16();
    const uint32_t context_offset = in.u32();
    auto blob = body_buffer(message, offset, length, in.position(), bad);
    if (!blob) return blob.failure();
    r.security_buffer = *blob;
    if (r.dialect == Dialect::smb3_11) {
        if (context_offset < in.position() || context_offset > message.size()) return bad;
        auto contexts = NegotiateContexts::decode(message.subspan(context_offset), context_count);
        if (!contexts) return bad;
        r.contexts = *contexts;
    }
    return r;
}

void NegotiateResponse::encode(ByteWriter& out) const {
    const bool with_contexts = dialect == Dialect::smb3_11;
    out.u16(structure_size);
    out.u16(security_mode);
    out.u16(static_cast<uint16_t>(dialect));
    out.u16(with_contexts ? contexts.count() : uint16_t{0});
    out.bytes(server_guid.bytes);
    out.u32(capabilities);
    out.u32(max_transact_size);
    out.u32(max_read_size);
    out.u32(max_write_size);
    out.u64(system_time.ticks);
    out.u64(server_start_time.ticks);
    out.u16(header_size + 64);
    ATOLL_ASSERT(security_buffer.size() <= 0xFFFF);
    out.u16(static_cast<uint16_t>(security_buffer.size()));
    const size_t context_field = out.position();
    out.u32(0);
    out.bytes(security_buffer);
    if (!with_contexts) return;
    out.align(8);
    out.patch_u32(context_field, static_cast<uint32_t>(out.position()));
    contexts.encode(out);
}

namespace {
constexpr size_t smb1_header_size = 32;
constexpr uint8_t smb1_com_negotiate = 0x72;
constexpr uint8_t smb1_dialect_format = 0x02;
}  // namespace

Result<Smb1Negotiate, NtStatus> Smb1Negotiate::decode(Bytes frame) {
    ByteReader in(frame);
    if (in.u32() != smb1_protocol_id || in.u8() != smb1_com_negotiate) return NtStatus::INVALID_PARAMETER;
    in.seek(smb1_header_size);
    const uint8_t word_count = in.u8();
    const uint16_t byte_count = in.u16();
    ByteReader dialects(in.bytes(byte_count));
    if (!in.ok() || word_count != 0) return NtStatus::INVALID_PARAMETER;
    Smb1Negotiate n;
    while (dialects.remaining() > 0) {
        if (dialects.u8() != smb1_dialect_format) return NtStatus::INVALID_PARAMETER;
        const std::string_view rest = as_text(dialects.rest());
        const size_t end = rest.find('\0');
        if (end == std::string_view::npos) return NtStatus::INVALID_PARAMETER;
        const std::string_view name = rest.substr(0, end);
        n.smb2_002 |= name == "SMB 2.002";
        n.smb2_xxx |= name == "SMB 2.???";
        dialects.skip(end + 1);
    }
    return n;
}

void Smb1Negotiate::encode(ByteWriter& out) const {
    const size_t start = out.position();
    out.u32(smb1_protocol_id);
    out.u8(smb1_com_negotiate);
    out.u32(0);       // Status
    out.u8(0x18);     // Flags: canonical, case-insensitive paths
    out.u16(0xC853);  // Flags2: Unicode, NT status, long names, extended security
    out.zeros(12);    // PIDHigh, SecurityFeatures, Reserved
    out.u16(0xFFFF);  // TID
    out.u16(0xFEFF);  // PIDLow
    out.u32(0);       // UID, MID
    out.u8(0);        // WordCount
    const size_t byte_count = out.position();
    out.u16(0);
    auto dialect = [&](std::string_view name) {
        out.u8(smb1_dialect_format);
        out.bytes(as_bytes(name));
        out.u8(0);
    };
    dialect("NT LM 0.12");
    if (smb2_002) dialect("SMB 2.002");
    if (smb2_xxx) dialect("SMB 2.???");
    ATOLL_ASSERT(byte_count == start + smb1_header_size + 1);
    out.patch_u16(byte_count, static_cast<uint16_t>(out.position() - byte_count - 2));
}

}  // namespace Atoll::smb
