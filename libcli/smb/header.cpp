#include "libcli/smb/header.h"

namespace Atoll::smb {

const char* to_string(Command command) {
    static constexpr const char* names[command_count] = {
        "NEGOTIATE",     "SESSION_SETUP", "LOGOFF",   "TREE_CONNECT", "TREE_DISCONNECT",
        "CREATE",        "CLOSE",         "FLUSH",    "READ",         "WRITE",
        "LOCK",          "IOCTL",         "CANCEL",   "ECHO",         "QUERY_DIRECTORY",
        "CHANGE_NOTIFY", "QUERY_INFO",    "SET_INFO", "OPLOCK_BREAK", "SERVER_TO_CLIENT_NOTIFICATION"};
    const auto index = static_cast<uint16_t>(command);
    return index < command_count ? names[index] : "UNKNOWN";
}

const char* to_string(Dialect dialect) {
    switch (dialect) {
        case Dialect::smb2_02: return "2.0.2";
        case Dialect::smb2_10: return "2.1";
        case Dialect::smb3_00: return "3.0";
        case Dialect::smb3_02: return "3.0.2";
        case Dialect::smb3_11: return "3.1.1";
        case Dialect::smb2_wildcard: return "2.???";
        case Dialect::none: break;
    }
    return "none";
}

FrameKind frame_kind(Bytes frame) {
    if (frame.size() < 4) return FrameKind::unknown;
    switch (load_le<uint32_t>(frame.data())) {
        case smb2_protocol_id: return FrameKind::smb2;
        case smb1_protocol_id: return FrameKind::smb1;
        case transform_protocol_id: return FrameKind::transform;
        case compression_protocol_id: return FrameKind::compression;
        default: return FrameKind::unknown;
    }
}

FileId FileId::decode(ByteReader& in) {
    FileId id;
    id.persistent_id = in.u64();
    id.volatile_id = in.u64();
    return id;
}

void FileId::encode(ByteWriter& out) const {
    out.u64(persistent_id);
    out.u64(volatile_id);
}

Result<Header, NtStatus> Header::decode(Bytes message) {
    if (message.size() < header_size) return NtStatus::INVALID_PARAMETER;
    ByteReader in(message);
    Header h;
    if (in.u32() != smb2_protocol_id || in.u16() != header_size) return NtStatus::INVALID_PARAMETER;
    h.credit_charge = in.u16();
    h.status = nt_status(in.u32());
    h.command = static_cast<Command>(in.u16());
    h.credits = in.u16();
    h.flags = in.u32();
    h.next_command = in.u32();
    h.message_id = in.u64();
    if (h.is_async()) {
        h.async_id = in.u64();
    } else {
        h.process_id = in.u32();
        h.tree_id = in.u32();
    }
    h.session_id = in.u64();
    in.copy(h.signature);
    return h;
}

void Header::encode(ByteWriter& out) const {
    out.u32(smb2_protocol_id);
    out.u16(header_size);
    out.u16(credit_charge);
    out.u32(to_u32(status));
    out.u16(static_cast<uint16_t>(command));
    out.u16(credits);
    out.u32(flags);
    out.u32(next_command);
    out.u64(message_id);
    if (is_async()) {
        out.u64(async_id);
    } else {
        out.u32(process_id);
        out.u32(tree_id);
    }
    out.u64(session_id);
    out.bytes(signature);
}

std::optional<CompoundReader::Part> CompoundReader::next() {
    if (rest_.empty() || malformed_) return std::nullopt;
    auto header = Header::decode(rest_);
    if (!header) {
        malformed_ = true;
        return std::nullopt;
    }
    size_t length = header->next_command;
    if (length != 0 && (length % 8 != 0 || length < header_size || length > rest_.size())) {
        malformed_ = true;
        return std::nullopt;
    }
    if (length == 0) length = rest_.size();
    Part part{*header, rest_.first(length), offset_};
    rest_ = rest_.subspan(length);
    offset_ += length;
    // A next_command that points at the very end names a message that is not there.
    if (header->next_command != 0 && rest_.empty()) malformed_ = true;
    return part;
}

Result<ByteReader, NtStatus> open_body(Bytes message, uint16_t structure_size, NtStatus error) {
    const size_t fixed = structure_size & ~size_t{1};
    if (message.size() < header_size + fixed) return error;
    ByteReader in(message);
    in.skip(header_size);
    if (in.u16() != structure_size) return error;
    return in;
}

Result<Bytes, NtStatus> body_buffer(Bytes message, size_t offset, size_t length, size_t first, NtStatus error) {
    if (length == 0) return Bytes{};
    if (offset < first || offset > message.size() || length > message.size() - offset) return error;
    return message.subspan(offset, length);
}

Result<TransformHeader, NtStatus> TransformHeader::decode(Bytes frame) {
    if (frame.size() < size) return NtStatus::INVALID_PARAMETER;
    ByteReader in(frame);
    TransformHeader h;
    if (in.u32() != transform_protocol_id) return NtStatus::INVALID_PARAMETER;
    in.copy(h.signature);
    in.copy(h.nonce);
    h.original_message_size = in.u32();
    in.skip(2);
    h.flags = in.u16();
    h.session_id = in.u64();
    if (h.flags != encrypted || h.original_message_size != in.remaining()) return NtStatus::INVALID_PARAMETER;
    return h;
}

void TransformHeader::encode(ByteWriter& out) const {
    out.u32(transform_protocol_id);
    out.bytes(signature);
    out.bytes(nonce);
    out.u32(original_message_size);
    out.u16(0);
    out.u16(flags);
    out.u64(session_id);
}

Result<CompressionTransformHeader, NtStatus> CompressionTransformHeader::decode(Bytes frame) {
    if (frame.size() < unchained_size) return NtStatus::INVALID_PARAMETER;
    ByteReader in(frame);
    CompressionTransformHeader h;
    if (in.u32() != compression_protocol_id) return NtStatus::INVALID_PARAMETER;
    h.original_size = in.u32();
    h.algorithm = static_cast<CompressionAlgorithm>(in.u16());
    const uint16_t flags = in.u16();
    if (flags > 1) return NtStatus::INVALID_PARAMETER;
    h.chained = flags == 1;
    if (h.chained) {
        h.algorithm = CompressionAlgorithm::none;
        return h;
    }
    h.offset = in.u32();
    if (h.offset > in.remaining()) return NtStatus::INVALID_PARAMETER;
    return h;
}

void CompressionTransformHeader::encode(ByteWriter& out) const {
    out.u32(compression_protocol_id);
    out.u32(original_size);
    if (chained) return;
    out.u16(static_cast<uint16_t>(algorithm));
    out.u16(0);
    out.u32(offset);
}

namespace {
bool has_original_size(CompressionAlgorithm algorithm) {
    return algorithm != CompressionAlgorithm::none && algorithm != CompressionAlgorithm::pattern_v1;
}
}  // namespace

Result<CompressionPayload, NtStatus> CompressionPayload::decode(ByteReader& in) {
    CompressionPayload p;
    p.algorithm = static_cast<CompressionAlgorithm>(in.u16());
    p.flags = in.u16();
    uint32_t length = in.u32();
    if (!in.ok() || p.algorithm > CompressionAlgorithm::lz4 || p.flags > 1) return NtStatus::INVALID_PARAMETER;
    if (p.algorithm == CompressionAlgorithm::pattern_v1) {
        if (length != 8) return NtStatus::INVALID_PARAMETER;
        p.pattern = in.u8();
        in.skip(3);
        p.repetitions = in.u32();
        p.original_size = p.repetitions;
    } else if (has_original_size(p.algorithm)) {
        if (length < 4) return NtStatus::INVALID_PARAMETER;
        p.original_size = in.u32();
        p.data = in.bytes(length - 4);
    } else {
        p.original_size = length;
        p.data = in.bytes(length);
    }
    if (!in.ok()) return NtStatus::INVALID_PARAMETER;
    return p;
}

void CompressionPayload::encode(ByteWriter& out) const {
    out.u16(static_cast<uint16_t>(algorithm));
    out.u16(flags);
    const auto data_size = static_cast<uint32_t>(data.size());
    if (algorithm == CompressionAlgorithm::pattern_v1) {
        out.u32(8);
        out.u8(pattern);
        out.zeros(3);
        out.u32(repetitions);
    } else if (has_original_size(algorithm)) {
        out.u32(data_size + 4);
        out.u32(original_size);
        out.bytes(data);
    } else {
        out.u32(data_size);
        out.bytes(data);
    }
}

}  // namespace Atoll::smb
