// The file information structures of MS-FSCC 2.4 that describe one file; lists of entries are in libcli/smb/fscc_directory.h.
//
// decode() takes the information alone (the buffer of SET_INFO or of a QUERY_INFO response) and fails with INFO_LENGTH_MISMATCH if it is
// too short (MS-FSA 2.1.5.15), with INVALID_PARAMETER for names of bad length. encode() appends exactly `size` bytes, or the fixed part and
// the name. Names are UTF-16LE views. A struct that can only be queried or only be set still has both directions: client and server share
// it.
#pragma once

#include "libcli/smb/create.h"
#include "libcli/smb/fscc.h"
#include "libcli/smb/header.h"

namespace Atoll::smb {

struct FileBasicInformation {  // MS-FSCC 2.4.7
    static constexpr size_t size = 40;
    NtTime creation_time;
    NtTime last_access_time;
    NtTime last_write_time;
    NtTime change_time;
    uint32_t file_attributes = 0;
    static Result<FileBasicInformation, NtStatus> decode(Bytes in);
    void encode(ByteWriter& out) const;
};

struct FileStandardInformation {  // MS-FSCC 2.4.47
    static constexpr size_t size = 24;
    uint64_t allocation_size = 0;
    uint64_t end_of_file = 0;
    uint32_t number_of_links = 0;
    bool delete_pending = false;
    bool directory = false;
    static Result<FileStandardInformation, NtStatus> decode(Bytes in);
    void encode(ByteWriter& out) const;
};

struct FileStandardLinkInformation {  // MS-FSCC 2.4.48
    static constexpr size_t size = 12;
    uint32_t accessible_links = 0;
    uint32_t total_links = 0;
    bool delete_pending = false;
    bool directory = false;
    static Result<FileStandardLinkInformation, NtStatus> decode(Bytes in);
    void encode(ByteWriter& out) const;
};

// The classes that are one number: internal (2.4.27, index number), ea (2.4.13), access (2.4.1), position (2.4.40), mode (2.4.31),
// alignment (2.4.3, alignment - 1), allocation (2.4.4), end_of_file (2.4.14), valid_data_length (2.4.50).
template <class T, FileInformationClass>
struct FileNumberInformation {
    static constexpr size_t size = sizeof(T);
    T value = 0;
    static Result<FileNumberInformation, NtStatus> decode(Bytes in) {
        if (in.size() < size) return NtStatus::INFO_LENGTH_MISMATCH;
        return FileNumberInformation{load_le<T>(in.data())};
    }
    void encode(ByteWriter& out) const {
        if constexpr (sizeof(T) == 8) {
            out.u64(value);
        } else {
            out.u32(value);
        }
    }
};
using FileInternalInformation = FileNumberInformation<uint64_t, FileInformationClass::internal>;
using FileEaInformation = FileNumberInformation<uint32_t, FileInformationClass::ea>;
using FileAccessInformation = FileNumberInformation<uint32_t, FileInformationClass::access>;
using FilePositionInformation = FileNumberInformation<uint64_t, FileInformationClass::position>;
using FileModeInformation = FileNumberInformation<uint32_t, FileInformationClass::mode>;
using FileAlignmentInformation = FileNumberInformation<uint32_t, FileInformationClass::alignment>;
using FileAllocationInformation = FileNumberInformation<uint64_t, FileInformationClass::allocation>;
using FileEndOfFileInformation = FileNumberInformation<uint64_t, FileInformationClass::end_of_file>;
using FileValidDataLengthInformation = FileNumberInformation<uint64_t, FileInformationClass::valid_data_length>;

// FILE_NAME_INFORMATION (MS-FSCC 2.1.7): of name, alternate_name, normalized_name, short_name.
struct FileNameInformation {
    static constexpr size_t fixed_size = 4;
    Bytes name;
    static Result<FileNameInformation, NtStatus> decode(Bytes in);
    void encode(ByteWriter& out) const;
};

struct FileAllInformation {                    // MS-FSCC 2.4.2
    static constexpr size_t fixed_size = 100;  // with NameLength
    FileBasicInformation basic;
    FileStandardInformation standard;
    FileInternalInformation internal;
    FileEaInformation ea;
    FileAccessInformation access;
    FilePositionInformation position;
    FileModeInformation mode;
    FileAlignmentInformation alignment;
    FileNameInformation name;
    static Result<FileAllInformation, NtStatus> decode(Bytes in);
    void encode(ByteWriter& out) const;
};

struct FileCompressionInformation {  // MS-FSCC 2.4.9
    static constexpr size_t size = 16;
    uint64_t compressed_file_size = 0;
    uint16_t compression_format = 0;
    uint8_t compression_unit_shift = 0;
    uint8_t chunk_shift = 0;
    uint8_t cluster_shift = 0;
    static Result<FileCompressionInformation, NtStatus> decode(Bytes in);
    void encode(ByteWriter& out) const;
};

struct FileNetworkOpenInformation {  // MS-FSCC 2.4.34
    static constexpr size_t size = 56;
    FileTimesAndSizes info;
    static Result<FileNetworkOpenInformation, NtStatus> decode(Bytes in);
    void encode(ByteWriter& out) const;
};

struct FileAttributeTagInformation {  // MS-FSCC 2.4.6
    static constexpr size_t size = 8;
    uint32_t file_attributes = 0;
    uint32_t reparse_tag = 0;
    static Result<FileAttributeTagInformation, NtStatus> decode(Bytes in);
    void encode(ByteWriter& out) const;
};

struct FileDispositionInformation {  // MS-FSCC 2.4.11
    static constexpr size_t size = 1;
    bool delete_pending = false;
    static Result<FileDispositionInformation, NtStatus> decode(Bytes in);
    void encode(ByteWriter& out) const;
};

namespace disposition_flags {  // MS-FSCC 2.4.12
constexpr uint32_t delete_file = 0x00000001;
constexpr uint32_t posix_semantics = 0x00000002;
constexpr uint32_t force_image_section_check = 0x00000004;
constexpr uint32_t on_close = 0x00000008;
constexpr uint32_t ignore_readonly_attribute = 0x00000010;
}  // namespace disposition_flags
using FileDispositionInformationEx = FileNumberInformation<uint32_t, FileInformationClass::disposition_ex>;  // value: disposition_flags

namespace rename_flags {  // MS-FSCC 2.4.43
constexpr uint32_t replace_if_exists = 0x00000001;
constexpr uint32_t posix_semantics = 0x00000002;
constexpr uint32_t suppress_pin_state_inheritance = 0x00000004;
constexpr uint32_t suppress_storage_reserve_inheritance = 0x00000008;
constexpr uint32_t no_increase_available_space = 0x00000010;
constexpr uint32_t no_decrease_available_space = 0x00000020;
constexpr uint32_t ignore_readonly_attribute = 0x00000040;
}  // namespace rename_flags

// FileRenameInformation and FileLinkInformation as SMB2 has them (MS-FSCC 2.4.42.2, 2.4.28.2), and FileRenameInformationEx (2.4.43).
struct FileRenameInformation {
    static constexpr size_t fixed_size = 20;
    uint32_t flags = 0;           // Ex; in the others only replace_if_exists, from ReplaceIfExists
    uint64_t root_directory = 0;  // must be 0 over the network
    Bytes name;                   // the whole path from the share's root
    static Result<FileRenameInformation, NtStatus> decode(Bytes in, bool ex);
    // Padded to 24 bytes at least, as MS-FSCC 2.4.42.2 says of the buffer.
    void encode(ByteWriter& out, bool ex) const;
};
using FileLinkInformation = FileRenameInformation;

struct FileIdInformation {  // MS-FSCC 2.4.26
    static constexpr size_t size = 24;
    uint64_t volume_serial_number = 0;
    std::array<uint8_t, 16> file_id{};
    static Result<FileIdInformation, NtStatus> decode(Bytes in);
    void encode(ByteWriter& out) const;
};

struct FileObjectIdInformation {  // MS-FSCC 2.4.36.2
    static constexpr size_t size = 72;
    uint64_t file_reference_number = 0;
    std::array<uint8_t, 64> object_id_buffer{};  // MS-FSCC 2.1.3
    static Result<FileObjectIdInformation, NtStatus> decode(Bytes in);
    void encode(ByteWriter& out) const;
};

struct FileReparsePointInformation {  // MS-FSCC 2.4.44
    static constexpr size_t size = 12;
    uint64_t file_reference_number = 0;
    uint32_t tag = 0;
    static Result<FileReparsePointInformation, NtStatus> decode(Bytes in);
    void encode(ByteWriter& out) const;
};

struct FilePipeInformation {  // MS-FSCC 2.4.37
    static constexpr size_t size = 8;
    static constexpr uint32_t byte_stream_mode = 0, message_mode = 1;       // read_mode
    static constexpr uint32_t queue_operation = 0, complete_operation = 1;  // completion_mode
    uint32_t read_mode = 0;
    uint32_t completion_mode = 0;
    static Result<FilePipeInformation, NtStatus> decode(Bytes in);
    void encode(ByteWriter& out) const;
};

struct FilePipeLocalInformation {  // MS-FSCC 2.4.38
    static constexpr size_t size = 40;
    uint32_t named_pipe_type = 0;
    uint32_t named_pipe_configuration = 0;
    uint32_t maximum_instances = 0;
    uint32_t current_instances = 0;
    uint32_t inbound_quota = 0;
    uint32_t read_data_available = 0;
    uint32_t outbound_quota = 0;
    uint32_t write_quota_available = 0;
    uint32_t named_pipe_state = 0;
    uint32_t named_pipe_end = 0;
    static Result<FilePipeLocalInformation, NtStatus> decode(Bytes in);
    void encode(ByteWriter& out) const;
};

struct FilePipeRemoteInformation {  // MS-FSCC 2.4.39
    static constexpr size_t size = 12;
    uint64_t collect_data_time = 0;  // 100 ns units
    uint32_t maximum_collection_count = 0;
    static Result<FilePipeRemoteInformation, NtStatus> decode(Bytes in);
    void encode(ByteWriter& out) const;
};

}  // namespace Atoll::smb
