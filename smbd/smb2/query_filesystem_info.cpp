// QUERY_INFO of a file system (MS-SMB2 3.3.5.20.2, MS-FSCC 2.5, MS-FSA 2.1.5.13).
#include "libcli/smb/fscc_fs.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/info_classes.h"
#include "smbd/smb2/info_output.h"
#include "smbd/smb2/quota.h"

namespace Atoll::smb2 {
namespace {

using Class = smb::FsInformationClass;

// MS-SMB2 3.3.5.20.2: what a remote client is not told of.
constexpr uint32_t local_only_attributes = smb::fs_attribute::supports_usn_journal | smb::fs_attribute::supports_open_by_file_id |
                                           smb::fs_attribute::supports_transactions | smb::fs_attribute::returns_cleanup_result_info |
                                           smb::fs_attribute::supports_posix_unlink_rename;

NtStatus volume(Request& request, size_t limit, const fsa::VolumeInfo& info) {
    smb::FsVolumeInformation out;
    out.creation_time = info.creation_time;
    out.serial_number = info.serial_number;
    out.label = wire_name(request, info.label);
    constexpr size_t least = (smb::FsVolumeInformation::fixed_size + 7) / 8 * 8;  // MS-FSA 2.1.5.13.1: as the structure is aligned
    return append_named(request, limit, least, out);
}

NtStatus attribute(Request& request, size_t limit, const fsa::VolumeInfo& info) {
    smb::FsAttributeInformation out;
    out.attributes = info.attributes & ~local_only_attributes;
    out.maximum_component_name_length = info.max_component_length;
    out.file_system_name = wire_name(request, info.file_system_name);
    return append_named(request, limit, smb::FsAttributeInformation::fixed_size, out);
}

NtStatus sector_size(Request& request, size_t limit, const fsa::VolumeSize& size) {
    smb::FsSectorSizeInformation out;
    out.logical_bytes_per_sector = size.bytes_per_sector;
    out.physical_bytes_for_atomicity = size.physical_bytes_per_sector;
    out.physical_bytes_for_performance = size.physical_bytes_per_sector;
    out.effective_physical_bytes_for_atomicity = size.physical_bytes_per_sector;
    out.flags = smb::sector_size_flags::aligned_device | smb::sector_size_flags::partition_aligned_on_device;
    return append_fixed(request, limit, out);
}

NtStatus query_size(Request& request, Class info_class, size_t limit) {
    const auto size = request.tcon->share->size();
    if (!size.ok()) return size.error();
    if (info_class == Class::sector_size) return sector_size(request, limit, *size);
    if (info_class == Class::size) {
        return append_fixed(request, limit,
                            smb::FsSizeInformation{size->total_units, size->caller_units, size->sectors_per_unit, size->bytes_per_sector});
    }
    return append_fixed(request, limit,
                        smb::FsFullSizeInformation{size->total_units, size->caller_units, size->actual_units, size->sectors_per_unit,
                                                   size->bytes_per_sector});
}

NtStatus query_volume(Request& request, Class info_class, size_t limit) {
    const auto info = request.tcon->share->volume();
    if (!info.ok()) return info.error();
    if (info_class == Class::volume) return volume(request, limit, *info);
    if (info_class == Class::attribute) return attribute(request, limit, *info);
    if (info_class == Class::device)
        return append_fixed(request, limit, smb::FsDeviceInformation{info->device_type, info->device_characteristics});
    return append_fixed(request, limit, smb::FsObjectIdInformation{info->object_id, {}});
}

}  // namespace

NtStatus query_filesystem_info(Request& request, Class info_class, size_t limit) {
    switch (info_class) {
        case Class::size:
        case Class::full_size:
        case Class::sector_size: return query_size(request, info_class, limit);
        case Class::volume:
        case Class::attribute:
        case Class::device:
        case Class::object_id: return query_volume(request, info_class, limit);
        case Class::control: return query_quota_control(request, limit);
        case Class::label:
        case Class::driver_path:
        case Class::volume_flags: return NtStatus::NOT_SUPPORTED;
    }
    return NtStatus::INVALID_INFO_CLASS;
}

}  // namespace Atoll::smb2
