#include "libcli/rpc/pdu.h"

#include <algorithm>

#include "base/assert.h"

namespace Atoll::rpc {
namespace {

constexpr Guid guid(std::array<uint8_t, 16> bytes) { return Guid{bytes}; }

// 6CB71C2C-9812-4540 (MS-RPCE 3.3.1.5.3); the features follow.
constexpr std::array<uint8_t, 8> feature_prefix = {0x2C, 0x1C, 0xB7, 0x6C, 0x12, 0x98, 0x40, 0x45};

// Reads in the byte order that the PDU's header names. Positions count from the PDU's first byte: that is what alignment refers to.
class Reader {
 public:
    explicit Reader(const Pdu& pdu) : in_(pdu.body), big_(pdu.header.big_endian) {}

    uint8_t u8() { return in_.u8(); }
    uint16_t u16() { return big_ ? in_.u16_be() : in_.u16(); }
    uint32_t u32() { return big_ ? in_.u32_be() : in_.u32(); }
    Guid uuid() {
        Guid out;
        in_.copy(out.bytes);
        if (big_) {
            std::reverse(out.bytes.begin(), out.bytes.begin() + 4);
            std::reverse(out.bytes.begin() + 4, out.bytes.begin() + 6);
            std::reverse(out.bytes.begin() + 6, out.bytes.begin() + 8);
        }
        return out;
    }
    SyntaxId syntax() {
        SyntaxId out;
        out.uuid = uuid();
        const uint32_t version = u32();
        out.major = static_cast<uint16_t>(version);
        out.minor = static_cast<uint16_t>(version >> 16);
        return out;
    }
    Bytes bytes(size_t n) { return in_.bytes(n); }
    void align() { in_.align(4); }  // the header is a multiple of 4
    Bytes rest() { return in_.rest(); }
    [[nodiscard]] bool ok() const { return in_.ok(); }
    [[nodiscard]] size_t remaining() const { return in_.remaining(); }

 private:
    ByteReader in_;
    bool big_;
};

// Writes header and, on destruction, the length.
class Writer {
 public:
    Writer(Buffer& out, const PduHeader& header) : out_(out) {
        out_.u8(header.version);
        out_.u8(header.minor_version);
        out_.u8(static_cast<uint8_t>(header.type));
        out_.u8(header.flags);
        out_.u32(0x00000010);  // C706 14.1: little-endian, ASCII, IEEE
        out_.u16(0);
        out_.u16(0);
        out_.u32(header.call_id);
    }
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;
    ~Writer() {
        ATOLL_ASSERT(out_.position() <= UINT16_MAX);
        out_.patch_u16(8, static_cast<uint16_t>(out_.position()));
    }
    ByteWriter* operator->() { return &out_; }
    void syntax(const SyntaxId& id) {
        out_.bytes(id.uuid.bytes);
        out_.u16(id.major);
        out_.u16(id.minor);
    }

 private:
    ByteWriter out_;
};

}  // namespace

const SyntaxId ndr_syntax{guid({0x04, 0x5D, 0x88, 0x8A, 0xEB, 0x1C, 0xC9, 0x11, 0x9F, 0xE8, 0x08, 0x00, 0x2B, 0x10, 0x48, 0x60}), 2, 0};
const SyntaxId ndr64_syntax{guid({0x33, 0x05, 0x71, 0x71, 0xBA, 0xBE, 0x37, 0x49, 0x83, 0x19, 0xB5, 0xDB, 0xEF, 0x9C, 0xCC, 0x36}), 1, 0};

std::optional<uint8_t> bind_time_features(const SyntaxId& syntax) {
    if (!std::equal(feature_prefix.begin(), feature_prefix.end(), syntax.uuid.bytes.begin())) return std::nullopt;
    if (syntax.major != 1 || syntax.minor != 0) return std::nullopt;
    return syntax.uuid.bytes[feature_prefix.size()];
}

SyntaxId bind_time_feature_syntax(uint8_t features) {
    SyntaxId out;
    std::copy(feature_prefix.begin(), feature_prefix.end(), out.uuid.bytes.begin());
    out.uuid.bytes[feature_prefix.size()] = features;
    out.major = 1;
    return out;
}

std::optional<PduHeader> PduHeader::decode(Bytes in) {
    ByteReader reader(in);
    PduHeader out;
    out.version = reader.u8();
    out.minor_version = reader.u8();
    out.type = static_cast<PduType>(reader.u8());
    out.flags = reader.u8();
    const uint8_t integers_and_characters = reader.u8();
    out.big_endian = (integers_and_characters & 0xF0) == 0;
    out.characters = integers_and_characters & 0x0F;
    out.floating = reader.u8();
    reader.skip(2);
    out.frag_length = out.big_endian ? reader.u16_be() : reader.u16();
    out.auth_length = out.big_endian ? reader.u16_be() : reader.u16();
    out.call_id = out.big_endian ? reader.u32_be() : reader.u32();
    if (!reader.ok() || (integers_and_characters & 0xF0) > 0x10 || out.characters > 1 || out.floating > 3) return std::nullopt;
    const size_t trailer = out.auth_length == 0 ? 0 : AuthTrailer::size + out.auth_length;
    if (out.frag_length < size + trailer) return std::nullopt;
    return out;
}

std::optional<size_t> next_pdu_size(Bytes in) {
    if (in.size() < PduHeader::size) return 0;
    const auto header = PduHeader::decode(in);
    if (!header) return std::nullopt;
    return header->frag_length;
}

std::optional<Pdu> Pdu::decode(Bytes in) {
    const auto header = PduHeader::decode(in);
    if (!header || header->frag_length != in.size()) return std::nullopt;
    Pdu out;
    out.header = *header;
    out.body = in.subspan(PduHeader::size);
    if (header->auth_length == 0) return out;

    const size_t trailer_size = AuthTrailer::size + header->auth_length;
    ByteReader trailer(out.body.subspan(out.body.size() - trailer_size));
    AuthTrailer auth;
    auth.type = trailer.u8();
    auth.level = trailer.u8();
    auth.pad_length = trailer.u8();
    trailer.skip(1);
    auth.context_id = header->big_endian ? trailer.u32_be() : trailer.u32();
    auth.token = trailer.rest();
    out.body = out.body.first(out.body.size() - trailer_size);
    if (auth.pad_length > out.body.size()) return std::nullopt;
    out.body = out.body.first(out.body.size() - auth.pad_length);
    out.auth = auth;
    return out;
}

std::optional<BindPdu> BindPdu::decode(const Pdu& pdu) {
    Reader in(pdu);
    BindPdu out;
    out.max_xmit_fragment = in.u16();
    out.max_receive_fragment = in.u16();
    out.association_group = in.u32();
    const uint8_t count = in.u8();
    in.bytes(3);
    for (unsigned i = 0; i < count && in.ok(); i++) {
        ContextElement element;
        element.id = in.u16();
        const uint8_t transfers = in.u8();
        in.bytes(1);
        element.abstract_syntax = in.syntax();
        if (in.remaining() < transfers * SyntaxId::size) return std::nullopt;
        for (unsigned j = 0; j < transfers; j++) element.transfer_syntaxes.push_back(in.syntax());
        out.contexts.push_back(std::move(element));
    }
    if (!in.ok()) return std::nullopt;
    return out;
}

void BindPdu::encode(Buffer& out, const PduHeader& header) const {
    Writer writer(out, header);
    writer->u16(max_xmit_fragment);
    writer->u16(max_receive_fragment);
    writer->u32(association_group);
    ATOLL_ASSERT(contexts.size() <= UINT8_MAX);
    writer->u8(static_cast<uint8_t>(contexts.size()));
    writer->zeros(3);
    for (const ContextElement& element : contexts) {
        ATOLL_ASSERT(element.transfer_syntaxes.size() <= UINT8_MAX);
        writer->u16(element.id);
        writer->u8(static_cast<uint8_t>(element.transfer_syntaxes.size()));
        writer->u8(0);
        writer.syntax(element.abstract_syntax);
        for (const SyntaxId& syntax : element.transfer_syntaxes) writer.syntax(syntax);
    }
}

std::optional<BindAckPdu> BindAckPdu::decode(const Pdu& pdu) {
    Reader in(pdu);
    BindAckPdu out;
    out.max_xmit_fragment = in.u16();
    out.max_receive_fragment = in.u16();
    out.association_group = in.u32();
    const uint16_t length = in.u16();
    const Bytes address = in.bytes(length);  // with its NUL
    out.secondary_address = std::string(as_text(address.empty() ? address : address.first(address.size() - 1)));
    in.align();
    const uint8_t count = in.u8();
    in.bytes(3);
    for (unsigned i = 0; i < count && in.ok(); i++) {
        ContextAnswer answer;
        answer.result = static_cast<ContextResult>(in.u16());
        answer.reason = in.u16();
        answer.transfer_syntax = in.syntax();
        out.answers.push_back(answer);
    }
    if (!in.ok()) return std::nullopt;
    return out;
}

void BindAckPdu::encode(Buffer& out, const PduHeader& header) const {
    Writer writer(out, header);
    writer->u16(max_xmit_fragment);
    writer->u16(max_receive_fragment);
    writer->u32(association_group);
    if (secondary_address.empty()) {
        writer->u16(0);
    } else {
        writer->u16(static_cast<uint16_t>(secondary_address.size() + 1));
        writer->bytes(as_bytes(secondary_address));
        writer->u8(0);
    }
    writer->align(4);
    ATOLL_ASSERT(answers.size() <= UINT8_MAX);
    writer->u8(static_cast<uint8_t>(answers.size()));
    writer->zeros(3);
    for (const ContextAnswer& answer : answers) {
        writer->u16(static_cast<uint16_t>(answer.result));
        writer->u16(answer.reason);
        writer.syntax(answer.transfer_syntax);
    }
}

std::optional<BindNakPdu> BindNakPdu::decode(const Pdu& pdu) {
    Reader in(pdu);
    BindNakPdu out;
    out.refusal = static_cast<BindRefusal>(in.u16());
    const uint8_t count = in.remaining() == 0 ? 0 : in.u8();  // the list may be left out (MS-RPCE 2.2.2.9)
    for (unsigned i = 0; i < count && in.ok(); i++) {
        const uint8_t major = in.u8();
        out.versions.emplace_back(major, in.u8());
    }
    if (!in.ok()) return std::nullopt;
    return out;
}

void BindNakPdu::encode(Buffer& out, const PduHeader& header) const {
    Writer writer(out, header);
    writer->u16(static_cast<uint16_t>(refusal));
    writer->u8(static_cast<uint8_t>(versions.size()));
    for (const auto& [major, minor] : versions) {
        writer->u8(major);
        writer->u8(minor);
    }
    writer->align(4);
}

std::optional<RequestPdu> RequestPdu::decode(const Pdu& pdu) {
    Reader in(pdu);
    RequestPdu out;
    out.allocation_hint = in.u32();
    out.context_id = in.u16();
    out.opnum = in.u16();
    if (pdu.header.has(pdu_flags::object_uuid)) out.object = in.uuid();
    out.stub = in.rest();
    if (!in.ok()) return std::nullopt;
    return out;
}

void RequestPdu::encode(Buffer& out, PduHeader header) const {
    if (object) header.flags |= pdu_flags::object_uuid;
    Writer writer(out, header);
    writer->u32(allocation_hint);
    writer->u16(context_id);
    writer->u16(opnum);
    if (object) writer->bytes(object->bytes);
    writer->bytes(stub);
}

std::optional<ResponsePdu> ResponsePdu::decode(const Pdu& pdu) {
    Reader in(pdu);
    ResponsePdu out;
    out.allocation_hint = in.u32();
    out.context_id = in.u16();
    out.cancel_count = in.u8();
    in.bytes(1);
    out.stub = in.rest();
    if (!in.ok()) return std::nullopt;
    return out;
}

void ResponsePdu::encode(Buffer& out, const PduHeader& header) const {
    Writer writer(out, header);
    writer->u32(allocation_hint);
    writer->u16(context_id);
    writer->u8(cancel_count);
    writer->u8(0);
    writer->bytes(stub);
}

std::optional<FaultPdu> FaultPdu::decode(const Pdu& pdu) {
    Reader in(pdu);
    FaultPdu out;
    out.allocation_hint = in.u32();
    out.context_id = in.u16();
    out.cancel_count = in.u8();
    in.bytes(1);
    out.status = static_cast<Fault>(in.u32());
    if (!in.ok()) return std::nullopt;
    return out;
}

void FaultPdu::encode(Buffer& out, const PduHeader& header) const {
    Writer writer(out, header);
    writer->u32(allocation_hint);
    writer->u16(context_id);
    writer->u8(cancel_count);
    writer->u8(0);
    writer->u32(static_cast<uint32_t>(status));
    writer->u32(0);
}

void encode_bare(Buffer& out, const PduHeader& header) { const Writer writer(out, header); }

}  // namespace Atoll::rpc
