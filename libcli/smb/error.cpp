#include "libcli/smb/error.h"

namespace Atoll::smb {

namespace {
constexpr auto bad_response = NtStatus::INVALID_NETWORK_RESPONSE;
constexpr size_t context_header_size = 8;
constexpr size_t symlink_fixed_size = 28;
constexpr size_t redirect_fixed_size = 24;  // up to the addresses
}  // namespace

Result<ErrorResponse, NtStatus> ErrorResponse::decode(Bytes message) {
    auto body = open_body(message, structure_size, bad_response);
    if (!body) return body.failure();
    ByteReader& in = *body;
    ErrorResponse r;
    r.context_count = in.u8();
    in.skip(1);
    const uint32_t length = in.u32();
    r.error_data = in.bytes(length);
    if (!in.ok()) return bad_response;
    return r;
}

void ErrorResponse::encode(ByteWriter& out) const {
    out.u16(structure_size);
    out.u8(context_count);
    out.u8(0);
    out.u32(static_cast<uint32_t>(error_data.size()));
    out.bytes(error_data);
    if (error_data.empty()) out.u8(0);
}

void ErrorResponse::encode(ByteWriter& out, Dialect dialect, Bytes data, ErrorId id) {
    if (dialect != Dialect::smb3_11 || data.empty()) {
        ErrorResponse{0, data}.encode(out);
        return;
    }
    out.u16(structure_size);
    out.u8(1);
    out.u8(0);
    out.u32(static_cast<uint32_t>(context_header_size + data.size()));
    out.u32(static_cast<uint32_t>(data.size()));
    out.u32(static_cast<uint32_t>(id));
    out.bytes(data);
}

std::optional<Bytes> ErrorResponse::data(ErrorId id) const {
    if (context_count == 0) return id == ErrorId::default_id ? std::optional(error_data) : std::nullopt;
    // Contexts are aligned to 8 from the start of the response, and the list begins at 8 (MS-SMB2 2.2.2).
    ByteReader in(error_data);
    for (uint8_t i = 0; i < context_count; ++i) {
        if (i > 0) in.align(8);
        const uint32_t length = in.u32();
        const uint32_t found = in.u32();
        Bytes data = in.bytes(length);
        if (!in.ok()) return std::nullopt;
        if (found == static_cast<uint32_t>(id)) return data;
    }
    return std::nullopt;
}

bool has_error_body(Command command, NtStatus status) {
    switch (status) {
        case NtStatus::SUCCESS: return false;
        case NtStatus::PENDING:  // an interim response (MS-SMB2 3.3.4.2)
        case NtStatus::NOTIFY_CLEANUP: return true;
        case NtStatus::MORE_PROCESSING_REQUIRED: return command != Command::session_setup;
        case NtStatus::BUFFER_OVERFLOW: return command != Command::query_info && command != Command::ioctl && command != Command::read;
        case NtStatus::NOTIFY_ENUM_DIR: return command != Command::change_notify;
        default: return !is_success(status);
    }
}

Result<SymlinkError, NtStatus> SymlinkError::decode(Bytes data) {
    ByteReader in(data);
    SymlinkError e;
    const uint32_t length = in.u32();
    const uint32_t tag = in.u32();
    const uint32_t reparse = in.u32();
    in.skip(2);  // ReparseDataLength
    e.unparsed_path_length = in.u16();
    const uint16_t substitute_offset = in.u16();
    const uint16_t substitute_length = in.u16();
    const uint16_t print_offset = in.u16();
    const uint16_t print_length = in.u16();
    e.flags = in.u32();
    if (!in.ok() || tag != error_tag || reparse != reparse_tag || length > data.size() - 4) return bad_response;
    ByteReader path(in.rest());
    e.substitute_name = path.at(substitute_offset, substitute_length);
    e.print_name = path.at(print_offset, print_length);
    if (!path.ok()) return bad_response;
    return e;
}

void SymlinkError::encode(ByteWriter& out) const {
    const size_t path_size = substitute_name.size() + print_name.size();
    ATOLL_ASSERT(path_size <= 0xFFFF - 12);
    out.u32(static_cast<uint32_t>(symlink_fixed_size - 4 + path_size));
    out.u32(error_tag);
    out.u32(reparse_tag);
    out.u16(static_cast<uint16_t>(path_size + 12));
    out.u16(unparsed_path_length);
    out.u16(0);
    out.u16(static_cast<uint16_t>(substitute_name.size()));
    out.u16(static_cast<uint16_t>(substitute_name.size()));
    out.u16(static_cast<uint16_t>(print_name.size()));
    out.u32(flags);
    out.bytes(substitute_name);
    out.bytes(print_name);
}

MoveDestination ShareRedirectError::address(size_t i) const {
    ByteReader in(addresses.subspan(i * MoveDestination::size, MoveDestination::size));
    MoveDestination d;
    d.ipv6 = in.u32() == 2;
    in.skip(4);
    in.copy(d.address);
    return d;
}

Result<ShareRedirectError, NtStatus> ShareRedirectError::decode(Bytes data) {
    ByteReader in(data);
    ShareRedirectError e;
    in.skip(4);  // StructureSize: 48 whatever follows
    const uint32_t type = in.u32();
    const uint32_t name_offset = in.u32();
    const uint32_t name_length = in.u32();
    in.skip(2);
    const uint16_t target_type = in.u16();
    const uint32_t count = in.u32();
    if (!in.ok() || type != share_move_notification || target_type != 0 || count > in.remaining() / MoveDestination::size)
        return bad_response;
    e.addresses = in.bytes(count * MoveDestination::size);
    e.resource_name = in.at(name_offset, name_length);
    if (!in.ok()) return bad_response;
    return e;
}

void ShareRedirectError::encode(ByteWriter& out) const {
    out.u32(48);
    out.u32(share_move_notification);
    out.u32(static_cast<uint32_t>(redirect_fixed_size + addresses.size()));
    out.u32(static_cast<uint32_t>(resource_name.size()));
    out.u16(0);
    out.u16(0);
    out.u32(static_cast<uint32_t>(count()));
    out.bytes(addresses);
    out.bytes(resource_name);
}

void ShareRedirectError::encode_address(ByteWriter& out, const MoveDestination& destination) {
    out.u32(destination.ipv6 ? 2 : 1);
    out.u32(0);
    out.bytes(destination.address);
}

}  // namespace Atoll::smb
