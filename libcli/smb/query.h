// QUERY_DIRECTORY, CHANGE_NOTIFY, QUERY_INFO, SET_INFO (MS-SMB2 2.2.33 to 2.2.40). What their buffers hold is in libcli/smb/fscc*.h.
// Conventions: libcli/smb/header.h.
//
// The three responses that carry an output buffer have one form and are built in place:
//
//   header.encode(out);
//   OutputBufferResponse::begin(out);
//   ... append the information to out ...
//   OutputBufferResponse::finish(out);
#pragma once

#include "libcli/smb/fscc.h"
#include "libcli/smb/header.h"

namespace Atoll::smb {

// The responses of QUERY_DIRECTORY, CHANGE_NOTIFY and QUERY_INFO (MS-SMB2 2.2.34, 2.2.36, 2.2.38).
struct OutputBufferResponse {
    static constexpr uint16_t structure_size = 9;
    static constexpr size_t payload_offset = header_size + 8;
    Bytes output;

    static Result<OutputBufferResponse, NtStatus> decode(Bytes message);  // INVALID_NETWORK_RESPONSE
    void encode(ByteWriter& out) const;
    static void begin(ByteWriter& out);
    // The length becomes what was appended since begin(). With nothing appended, one byte of padding is added.
    static void finish(ByteWriter& out);
};

namespace query_directory_flags {
constexpr uint8_t restart_scans = 0x01;
constexpr uint8_t return_single_entry = 0x02;
constexpr uint8_t index_specified = 0x04;
constexpr uint8_t reopen = 0x10;
}  // namespace query_directory_flags

struct QueryDirectoryRequest {
    static constexpr uint16_t structure_size = 33;
    FileInformationClass information_class{};
    uint8_t flags = 0;
    uint32_t file_index = 0;
    FileId file_id;
    Bytes pattern;  // UTF-16LE; empty: none
    uint32_t output_buffer_length = 0;

    static Result<QueryDirectoryRequest, NtStatus> decode(Bytes message);  // INVALID_PARAMETER also for a pattern of odd length
    void encode(ByteWriter& out) const;
};

namespace change_notify_flags {
constexpr uint16_t watch_tree = 0x0001;
}
namespace notify_change {  // CompletionFilter
constexpr uint32_t file_name = 0x00000001;
constexpr uint32_t dir_name = 0x00000002;
constexpr uint32_t attributes = 0x00000004;
constexpr uint32_t size = 0x00000008;
constexpr uint32_t last_write = 0x00000010;
constexpr uint32_t last_access = 0x00000020;
constexpr uint32_t creation = 0x00000040;
constexpr uint32_t ea = 0x00000080;
constexpr uint32_t security = 0x00000100;
constexpr uint32_t stream_name = 0x00000200;
constexpr uint32_t stream_size = 0x00000400;
constexpr uint32_t stream_write = 0x00000800;
}  // namespace notify_change

struct ChangeNotifyRequest {
    static constexpr uint16_t structure_size = 32;
    uint16_t flags = 0;
    uint32_t output_buffer_length = 0;
    FileId file_id;
    uint32_t completion_filter = 0;

    static Result<ChangeNotifyRequest, NtStatus> decode(Bytes message);
    void encode(ByteWriter& out) const;
};

enum class InfoType : uint8_t { file = 1, filesystem = 2, security = 3, quota = 4 };

namespace security_information {  // AdditionalInformation of InfoType::security
constexpr uint32_t owner = 0x00000001;
constexpr uint32_t group = 0x00000002;
constexpr uint32_t dacl = 0x00000004;
constexpr uint32_t sacl = 0x00000008;
constexpr uint32_t label = 0x00000010;
constexpr uint32_t attribute = 0x00000020;
constexpr uint32_t scope = 0x00000040;
constexpr uint32_t backup = 0x00010000;
}  // namespace security_information

namespace query_info_flags {  // of FileFullEaInformation
constexpr uint32_t restart_scan = 0x00000001;
constexpr uint32_t return_single_entry = 0x00000002;
constexpr uint32_t index_specified = 0x00000004;
}  // namespace query_info_flags

struct QueryInfoRequest {
    static constexpr uint16_t structure_size = 41;
    InfoType info_type = InfoType::file;
    uint8_t info_class = 0;  // FileInformationClass or FsInformationClass
    uint32_t output_buffer_length = 0;
    Bytes input;
    uint32_t additional_information = 0;
    uint32_t flags = 0;
    FileId file_id;

    static Result<QueryInfoRequest, NtStatus> decode(Bytes message);
    void encode(ByteWriter& out) const;
};

// The input buffer of a quota query (MS-SMB2 2.2.37.1).
struct QueryQuotaInfo {
    bool return_single = false;
    bool restart_scan = false;
    Bytes sid_list;   // FILE_GET_QUOTA_INFORMATION list, or
    Bytes start_sid;  // one SID, or neither; empty where there is a list (MS-SMB2 3.3.5.20.4)

    static Result<QueryQuotaInfo, NtStatus> decode(Bytes input);  // INVALID_PARAMETER
    void encode(ByteWriter& out) const;
};

struct SetInfoRequest {
    static constexpr uint16_t structure_size = 33;
    InfoType info_type = InfoType::file;
    uint8_t info_class = 0;
    uint32_t additional_information = 0;
    FileId file_id;
    Bytes buffer;

    static Result<SetInfoRequest, NtStatus> decode(Bytes message);
    void encode(ByteWriter& out) const;
};

struct SetInfoResponse {  // MS-SMB2 2.2.40: its StructureSize only
    static constexpr uint16_t structure_size = 2;
    static Result<SetInfoResponse, NtStatus> decode(Bytes message);  // INVALID_NETWORK_RESPONSE
    void encode(ByteWriter& out) const;
};

}  // namespace Atoll::smb
