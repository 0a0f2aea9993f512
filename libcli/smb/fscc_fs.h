// The file system information structures of MS-FSCC 2.5. decode and encode as in libcli/smb/fscc_file.h.
#pragma once

#include <array>

#include "libcli/smb/fscc.h"
#include "libcli/smb/header.h"

namespace Atoll::smb {

struct FsVolumeInformation {  // MS-FSCC 2.5.9
    static constexpr size_t fixed_size = 18;
    NtTime creation_time;
    uint32_t serial_number = 0;
    bool supports_objects = false;
    Bytes label;  // UTF-16LE
    static Result<FsVolumeInformation, NtStatus> decode(Bytes in);
    void encode(ByteWriter& out) const;
};

struct FsLabelInformation {  // MS-FSCC 2.5.5
    static constexpr size_t fixed_size = 4;
    Bytes label;  // UTF-16LE
    static Result<FsLabelInformation, NtStatus> decode(Bytes in);
    void encode(ByteWriter& out) const;
};

struct FsSizeInformation {  // MS-FSCC 2.5.8
    static constexpr size_t size = 24;
    uint64_t total_units = 0;
    uint64_t available_units = 0;
    uint32_t sectors_per_unit = 0;
    uint32_t bytes_per_sector = 0;
    static Result<FsSizeInformation, NtStatus> decode(Bytes in);
    void encode(ByteWriter& out) const;
};

struct FsFullSizeInformation {  // MS-FSCC 2.5.4
    static constexpr size_t size = 32;
    uint64_t total_units = 0;
    uint64_t caller_available_units = 0;
    uint64_t actual_available_units = 0;
    uint32_t sectors_per_unit = 0;
    uint32_t bytes_per_sector = 0;
    static Result<FsFullSizeInformation, NtStatus> decode(Bytes in);
    void encode(ByteWriter& out) const;
};

namespace fs_device {  // MS-FSCC 2.5.10
constexpr uint32_t type_cd_rom = 0x00000002;
constexpr uint32_t type_disk = 0x00000007;
constexpr uint32_t removable_media = 0x00000001;
constexpr uint32_t read_only_device = 0x00000002;
constexpr uint32_t remote_device = 0x00000010;
constexpr uint32_t device_is_mounted = 0x00000020;
}  // namespace fs_device

struct FsDeviceInformation {
    static constexpr size_t size = 8;
    uint32_t device_type = fs_device::type_disk;
    uint32_t characteristics = 0;
    static Result<FsDeviceInformation, NtStatus> decode(Bytes in);
    void encode(ByteWriter& out) const;
};

namespace fs_attribute {  // MS-FSCC 2.5.1
constexpr uint32_t case_sensitive_search = 0x00000001;
constexpr uint32_t case_preserved_names = 0x00000002;
constexpr uint32_t unicode_on_disk = 0x00000004;
constexpr uint32_t persistent_acls = 0x00000008;
constexpr uint32_t file_compression = 0x00000010;
constexpr uint32_t volume_quotas = 0x00000020;
constexpr uint32_t supports_sparse_files = 0x00000040;
constexpr uint32_t supports_reparse_points = 0x00000080;
constexpr uint32_t supports_remote_storage = 0x00000100;
constexpr uint32_t returns_cleanup_result_info = 0x00000200;
constexpr uint32_t supports_posix_unlink_rename = 0x00000400;
constexpr uint32_t volume_is_compressed = 0x00008000;
constexpr uint32_t supports_object_ids = 0x00010000;
constexpr uint32_t supports_encryption = 0x00020000;
constexpr uint32_t named_streams = 0x00040000;
constexpr uint32_t read_only_volume = 0x00080000;
constexpr uint32_t sequential_write_once = 0x00100000;
constexpr uint32_t supports_transactions = 0x00200000;
constexpr uint32_t supports_hard_links = 0x00400000;
constexpr uint32_t supports_extended_attributes = 0x00800000;
constexpr uint32_t supports_open_by_file_id = 0x01000000;
constexpr uint32_t supports_usn_journal = 0x02000000;
constexpr uint32_t support_integrity_streams = 0x04000000;
constexpr uint32_t supports_block_refcounting = 0x08000000;
constexpr uint32_t supports_sparse_vdl = 0x10000000;
}  // namespace fs_attribute

struct FsAttributeInformation {  // MS-FSCC 2.5.1
    static constexpr size_t fixed_size = 12;
    uint32_t attributes = 0;
    uint32_t maximum_component_name_length = 0;  // characters
    Bytes file_system_name;                      // UTF-16LE
    static Result<FsAttributeInformation, NtStatus> decode(Bytes in);
    void encode(ByteWriter& out) const;
};

struct FsControlInformation {  // MS-FSCC 2.5.2
    static constexpr size_t size = 48;
    uint64_t free_space_start_filtering = 0;
    uint64_t free_space_threshold = 0;
    uint64_t free_space_stop_filtering = 0;
    uint64_t default_quota_threshold = 0;
    uint64_t default_quota_limit = 0;
    uint32_t flags = 0;
    static Result<FsControlInformation, NtStatus> decode(Bytes in);
    void encode(ByteWriter& out) const;
};

struct FsObjectIdInformation {  // MS-FSCC 2.5.6
    static constexpr size_t size = 64;
    Guid object_id;
    std::array<uint8_t, 48> extended_info{};
    static Result<FsObjectIdInformation, NtStatus> decode(Bytes in);
    void encode(ByteWriter& out) const;
};

namespace sector_size_flags {
constexpr uint32_t aligned_device = 0x00000001;
constexpr uint32_t partition_aligned_on_device = 0x00000002;
constexpr uint32_t no_seek_penalty = 0x00000004;
constexpr uint32_t trim_enabled = 0x00000008;
}  // namespace sector_size_flags

struct FsSectorSizeInformation {  // MS-FSCC 2.5.7
    static constexpr size_t size = 28;
    uint32_t logical_bytes_per_sector = 0;
    uint32_t physical_bytes_for_atomicity = 0;
    uint32_t physical_bytes_for_performance = 0;
    uint32_t effective_physical_bytes_for_atomicity = 0;
    uint32_t flags = 0;
    uint32_t byte_offset_for_sector_alignment = 0;
    uint32_t byte_offset_for_partition_alignment = 0;
    static Result<FsSectorSizeInformation, NtStatus> decode(Bytes in);
    void encode(ByteWriter& out) const;
};

}  // namespace Atoll::smb
