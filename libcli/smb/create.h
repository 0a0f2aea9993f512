// CREATE (MS-SMB2 2.2.13, 2.2.14); its contexts are in libcli/smb/create_contexts.h. Conventions: libcli/smb/header.h.
#pragma once

#include "libcli/smb/create_contexts.h"
#include "libcli/smb/header.h"

namespace Atoll::smb {

enum class OplockLevel : uint8_t { none = 0x00, ii = 0x01, exclusive = 0x08, batch = 0x09, lease = 0xFF };

enum class ImpersonationLevel : uint32_t { anonymous = 0, identification = 1, impersonation = 2, delegate = 3 };

namespace access_mask {  // MS-SMB2 2.2.13.1
constexpr uint32_t file_read_data = 0x00000001;
constexpr uint32_t file_list_directory = 0x00000001;
constexpr uint32_t file_write_data = 0x00000002;
constexpr uint32_t file_add_file = 0x00000002;
constexpr uint32_t file_append_data = 0x00000004;
constexpr uint32_t file_add_subdirectory = 0x00000004;
constexpr uint32_t file_read_ea = 0x00000008;
constexpr uint32_t file_write_ea = 0x00000010;
constexpr uint32_t file_execute = 0x00000020;
constexpr uint32_t file_traverse = 0x00000020;
constexpr uint32_t file_delete_child = 0x00000040;
constexpr uint32_t file_read_attributes = 0x00000080;
constexpr uint32_t file_write_attributes = 0x00000100;
constexpr uint32_t delete_access = 0x00010000;
constexpr uint32_t read_control = 0x00020000;
constexpr uint32_t write_dac = 0x00040000;
constexpr uint32_t write_owner = 0x00080000;
constexpr uint32_t synchronize = 0x00100000;
constexpr uint32_t access_system_security = 0x01000000;
constexpr uint32_t maximum_allowed = 0x02000000;
constexpr uint32_t generic_all = 0x10000000;
constexpr uint32_t generic_execute = 0x20000000;
constexpr uint32_t generic_write = 0x40000000;
constexpr uint32_t generic_read = 0x80000000;
// What the generic rights become for files and directories (MS-FSA 2.1.5.1, MS-DTYP 2.4.3).
constexpr uint32_t file_all_access = 0x001F01FF;
constexpr uint32_t file_generic_read = 0x00120089;
constexpr uint32_t file_generic_write = 0x00120116;
constexpr uint32_t file_generic_execute = 0x001200A0;
}  // namespace access_mask

namespace file_share {
constexpr uint32_t read = 0x00000001;
constexpr uint32_t write = 0x00000002;
constexpr uint32_t delete_access = 0x00000004;
constexpr uint32_t all = 0x00000007;
}  // namespace file_share

enum class CreateDisposition : uint32_t { supersede = 0, open = 1, create = 2, open_if = 3, overwrite = 4, overwrite_if = 5 };
enum class CreateAction : uint32_t { superseded = 0, opened = 1, created = 2, overwritten = 3 };

namespace create_options {
constexpr uint32_t directory_file = 0x00000001;
constexpr uint32_t write_through = 0x00000002;
constexpr uint32_t sequential_only = 0x00000004;
constexpr uint32_t no_intermediate_buffering = 0x00000008;
constexpr uint32_t synchronous_io_alert = 0x00000010;
constexpr uint32_t synchronous_io_nonalert = 0x00000020;
constexpr uint32_t non_directory_file = 0x00000040;
constexpr uint32_t complete_if_oplocked = 0x00000100;
constexpr uint32_t no_ea_knowledge = 0x00000200;
constexpr uint32_t open_remote_instance = 0x00000400;
constexpr uint32_t random_access = 0x00000800;
constexpr uint32_t delete_on_close = 0x00001000;
constexpr uint32_t open_by_file_id = 0x00002000;
constexpr uint32_t open_for_backup_intent = 0x00004000;
constexpr uint32_t no_compression = 0x00008000;
constexpr uint32_t open_requiring_oplock = 0x00010000;
constexpr uint32_t disallow_exclusive = 0x00020000;
constexpr uint32_t reserve_opfilter = 0x00100000;
constexpr uint32_t open_reparse_point = 0x00200000;
constexpr uint32_t open_no_recall = 0x00400000;
constexpr uint32_t open_for_free_space_query = 0x00800000;
constexpr uint32_t valid_mask = 0x00FFFFFF;
}  // namespace create_options

namespace create_response_flags {
constexpr uint8_t reparse_point = 0x01;
}

struct CreateRequest {
    static constexpr uint16_t structure_size = 57;
    OplockLevel oplock_level = OplockLevel::none;
    ImpersonationLevel impersonation = ImpersonationLevel::impersonation;
    uint32_t desired_access = 0;
    uint32_t file_attributes = 0;
    uint32_t share_access = 0;
    CreateDisposition disposition = CreateDisposition::open;
    uint32_t options = 0;
    Bytes name;      // UTF-16LE, relative to the share, without a leading backslash; empty is the share's root
    Bytes contexts;  // raw list: CreateContexts::decode

    // INVALID_PARAMETER: bad offsets or lengths, a name of odd length. Values (disposition, impersonation, options) are the server's
    // to check, in the order of MS-SMB2 3.3.5.9.
    static Result<CreateRequest, NtStatus> decode(Bytes message);
    // `contexts` is written as it is; the other form encodes them.
    void encode(ByteWriter& out) const;
    void encode(ByteWriter& out, const CreateContexts& with) const;
};

// What CREATE and CLOSE responses both tell of a file.
struct FileTimesAndSizes {
    NtTime creation_time;
    NtTime last_access_time;
    NtTime last_write_time;
    NtTime change_time;
    uint64_t allocation_size = 0;
    uint64_t end_of_file = 0;
    uint32_t file_attributes = 0;
};

struct CreateResponse {
    static constexpr uint16_t structure_size = 89;
    OplockLevel oplock_level = OplockLevel::none;
    uint8_t flags = 0;
    CreateAction action = CreateAction::opened;
    FileTimesAndSizes info;
    FileId file_id;
    Bytes contexts;  // raw list: CreateResponseContexts::decode

    static Result<CreateResponse, NtStatus> decode(Bytes message);  // INVALID_NETWORK_RESPONSE
    void encode(ByteWriter& out) const;
    void encode(ByteWriter& out, const CreateResponseContexts& with) const;
};

namespace close_flags {
constexpr uint16_t postquery_attrib = 0x0001;
}

struct CloseRequest {  // MS-SMB2 2.2.15
    static constexpr uint16_t structure_size = 24;
    uint16_t flags = 0;
    FileId file_id;

    static Result<CloseRequest, NtStatus> decode(Bytes message);
    void encode(ByteWriter& out) const;
};

struct CloseResponse {  // MS-SMB2 2.2.16
    static constexpr uint16_t structure_size = 60;
    uint16_t flags = 0;
    FileTimesAndSizes info;  // zeros unless flags has postquery_attrib

    static Result<CloseResponse, NtStatus> decode(Bytes message);  // INVALID_NETWORK_RESPONSE
    void encode(ByteWriter& out) const;
};

}  // namespace Atoll::smb
