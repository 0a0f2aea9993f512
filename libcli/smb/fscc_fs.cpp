#include "libcli/smb/fscc_fs.h"

namespace Atoll::smb {

namespace {
constexpr auto too_short = NtStatus::INFO_LENGTH_MISMATCH;
}

Result<FsVolumeInformation, NtStatus> FsVolumeInformation::decode(Bytes bytes) {
    if (bytes.size() < fixed_size) return too_short;
    ByteReader in(bytes);
    FsVolumeInformation i;
    i.creation_time.ticks = in.u64();
    i.serial_number = in.u32();
    const uint32_t length = in.u32();
    i.supports_objects = in.u8() != 0;
    in.skip(1);
    i.label = in.bytes(length);
    if (!in.ok()) return too_short;
    return i;
}

void FsVolumeInformation::encode(ByteWriter& out) const {
    out.u64(creation_time.ticks);
    out.u32(serial_number);
    out.u32(static_cast<uint32_t>(label.size()));
    out.u8(supports_objects ? 1 : 0);
    out.u8(0);
    out.bytes(label);
}

Result<FsLabelInformation, NtStatus> FsLabelInformation::decode(Bytes bytes) {
    if (bytes.size() < fixed_size) return too_short;
    ByteReader in(bytes);
    const uint32_t length = in.u32();
    FsLabelInformation i{in.bytes(length)};
    if (!in.ok()) return too_short;
    return i;
}

void FsLabelInformation::encode(ByteWriter& out) const {
    out.u32(static_cast<uint32_t>(label.size()));
    out.bytes(label);
}

Result<FsSizeInformation, NtStatus> FsSizeInformation::decode(Bytes bytes) {
    if (bytes.size() < size) return too_short;
    ByteReader in(bytes);
    FsSizeInformation i;
    i.total_units = in.u64();
    i.available_units = in.u64();
    i.sectors_per_unit = in.u32();
    i.bytes_per_sector = in.u32();
    return i;
}

void FsSizeInformation::encode(ByteWriter& out) const {
    out.u64(total_units);
    out.u64(available_units);
    out.u32(sectors_per_unit);
    out.u32(bytes_per_sector);
}

Result<FsFullSizeInformation, NtStatus> FsFullSizeInformation::decode(Bytes bytes) {
    if (bytes.size() < size) return too_short;
    ByteReader in(bytes);
    FsFullSizeInformation i;
    i.total_units = in.u64();
    i.caller_available_units = in.u64();
    i.actual_available_units = in.u64();
    i.sectors_per_unit = in.u32();
    i.bytes_per_sector = in.u32();
    return i;
}

void FsFullSizeInformation::encode(ByteWriter& out) const {
    out.u64(total_units);
    out.u64(caller_available_units);
    out.u64(actual_available_units);
    out.u32(sectors_per_unit);
    out.u32(bytes_per_sector);
}

Result<FsDeviceInformation, NtStatus> FsDeviceInformation::decode(Bytes bytes) {
    if (bytes.size() < size) return too_short;
    ByteReader in(bytes);
    FsDeviceInformation i;
    i.device_type = in.u32();
    i.characteristics = in.u32();
    return i;
}

void FsDeviceInformation::encode(ByteWriter& out) const {
    out.u32(device_type);
    out.u32(characteristics);
}

Result<FsAttributeInformation, NtStatus> FsAttributeInformation::decode(Bytes bytes) {
    if (bytes.size() < fixed_size) return too_short;
    ByteReader in(bytes);
    FsAttributeInformation i;
    i.attributes = in.u32();
    i.maximum_component_name_length = in.u32();
    const uint32_t length = in.u32();
    i.file_system_name = in.bytes(length);
    if (!in.ok()) return too_short;
    return i;
}

void FsAttributeInformation::encode(ByteWriter& out) const {
    out.u32(attributes);
    out.u32(maximum_component_name_length);
    out.u32(static_cast<uint32_t>(file_system_name.size()));
    out.bytes(file_system_name);
}

Result<FsControlInformation, NtStatus> FsControlInformation::decode(Bytes bytes) {
    if (bytes.size() < size) return too_short;
    ByteReader in(bytes);
    FsControlInformation i;
    i.free_space_start_filtering = in.u64();
    i.free_space_threshold = in.u64();
    i.free_space_stop_filtering = in.u64();
    i.default_quota_threshold = in.u64();
    i.default_quota_limit = in.u64();
    i.flags = in.u32();
    return i;
}

void FsControlInformation::encode(ByteWriter& out) const {
    out.u64(free_space_start_filtering);
    out.u64(free_space_threshold);
    out.u64(free_space_stop_filtering);
    out.u64(default_quota_threshold);
    out.u64(default_quota_limit);
    out.u32(flags);
    out.u32(0);
}

Result<FsObjectIdInformation, NtStatus> FsObjectIdInformation::decode(Bytes bytes) {
    if (bytes.size() < size) return too_short;
    ByteReader in(bytes);
    FsObjectIdInformation i;
    in.copy(i.object_id.bytes);
    in.copy(i.extended_info);
    return i;
}

void FsObjectIdInformation::encode(ByteWriter& out) const {
    out.bytes(object_id.bytes);
    out.bytes(extended_info);
}

Result<FsSectorSizeInformation, NtStatus> FsSectorSizeInformation::decode(Bytes bytes) {
    if (bytes.size() < size) return too_short;
    ByteReader in(bytes);
    FsSectorSizeInformation i;
    i.logical_bytes_per_sector = in.u32();
    i.physical_bytes_for_atomicity = in.u32();
    i.physical_bytes_for_performance = in.u32();
    i.effective_physical_bytes_for_atomicity = in.u32();
    i.flags = in.u32();
    i.byte_offset_for_sector_alignment = in.u32();
    i.byte_offset_for_partition_alignment = in.u32();
    return i;
}

void FsSectorSizeInformation::encode(ByteWriter& out) const {
    out.u32(logical_bytes_per_sector);
    out.u32(physical_bytes_for_atomicity);
    out.u32(physical_bytes_for_performance);
    out.u32(effective_physical_bytes_for_atomicity);
    out.u32(flags);
    out.u32(byte_offset_for_sector_alignment);
    out.u32(byte_offset_for_partition_alignment);
}

}  // namespace Atoll::smb
