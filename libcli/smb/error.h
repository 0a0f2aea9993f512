// The ERROR response and its data (MS-SMB2 2.2.2). Conventions: libcli/smb/header.h.
#pragma once

#include <array>
#include <optional>

#include "libcli/smb/header.h"

namespace Atoll::smb {

enum class ErrorId : uint32_t { default_id = 0x00000000, share_redirect = 0x72645253 };

// MS-SMB2 2.2.2. In 3.1.1 the data is a list of error contexts; in older dialects it is bare.
struct ErrorResponse {
    static constexpr uint16_t structure_size = 9;
    uint8_t context_count = 0;
    Bytes error_data;  // bare data, or the raw list if context_count is not 0

    static Result<ErrorResponse, NtStatus> decode(Bytes message);  // INVALID_NETWORK_RESPONSE
    void encode(ByteWriter& out) const;                            // an empty error_data is one zero byte on the wire

    // Writes `data` as the dialect wants it: as one context of the id for 3.1.1, bare else. Empty data makes no context.
    static void encode(ByteWriter& out, Dialect dialect, Bytes data, ErrorId id = ErrorId::default_id);
    // The data of the first context with the id, or the bare data (default_id only).
    [[nodiscard]] std::optional<Bytes> data(ErrorId id = ErrorId::default_id) const;
};

// True if a response with this command and status carries an ERROR body and not the command's own (MS-SMB2 3.3.4.4). A failed
// COPYCHUNK (INVALID_PARAMETER) may carry either: its StructureSize tells.
bool has_error_body(Command command, NtStatus status);

// The data of STOPPED_ON_SYMLINK (MS-SMB2 2.2.2.2.1).
struct SymlinkError {
    static constexpr uint32_t error_tag = 0x4C4D5953;
    static constexpr uint32_t reparse_tag = 0xA000000C;
    static constexpr uint32_t relative = 0x00000001;  // SYMLINK_FLAG_RELATIVE
    uint16_t unparsed_path_length = 0;                // bytes
    uint32_t flags = 0;
    Bytes substitute_name;  // UTF-16LE
    Bytes print_name;       // UTF-16LE

    static Result<SymlinkError, NtStatus> decode(Bytes data);  // INVALID_NETWORK_RESPONSE
    void encode(ByteWriter& out) const;
};

// One address of a share redirect (MS-SMB2 2.2.2.2.2.1).
struct MoveDestination {
    static constexpr size_t size = 24;
    bool ipv6 = false;
    std::array<uint8_t, 16> address{};  // network order; IPv4 in the first four bytes
};

// The data of BAD_NETWORK_NAME with ErrorId::share_redirect (MS-SMB2 2.2.2.2.2).
struct ShareRedirectError {
    static constexpr uint32_t share_move_notification = 3;
    Bytes addresses;      // raw, count() * MoveDestination::size bytes
    Bytes resource_name;  // UTF-16LE

    [[nodiscard]] size_t count() const { return addresses.size() / MoveDestination::size; }
    [[nodiscard]] MoveDestination address(size_t i) const;
    static Result<ShareRedirectError, NtStatus> decode(Bytes data);  // INVALID_NETWORK_RESPONSE
    void encode(ByteWriter& out) const;
    static void encode_address(ByteWriter& out, const MoveDestination& destination);
};

}  // namespace Atoll::smb
