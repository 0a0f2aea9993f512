#include "libcli/smb/fscc_file.h"

namespace Atoll::smb {

namespace {
constexpr auto too_short = NtStatus::INFO_LENGTH_MISMATCH;
constexpr size_t rename_minimum_size = 24;  // MS-FSCC 2.4.42.2
}  // namespace

Result<FileBasicInformation, NtStatus> FileBasicInformation::decode(Bytes bytes) {
    if (bytes.size() < size) return too_short;
    ByteReader in(bytes);
    FileBasicInformation i;
    i.creation_time.ticks = in.u64();
    i.last_access_time.ticks = in.u64();
    i.last_write_time.ticks = in.u64();
    i.change_time.ticks = in.u64();
    i.file_attributes = in.u32();
    return i;
}

void FileBasicInformation::encode(ByteWriter& out) const {
    out.u64(creation_time.ticks);
    out.u64(last_access_time.ticks);
    out.u64(last_write_time.ticks);
    out.u64(change_time.ticks);
    out.u32(file_attributes);
    out.u32(0);
}

Result<FileStandardInformation, NtStatus> FileStandardInformation::decode(Bytes bytes) {
    // The two reserved bytes at the end need not be there.
    if (bytes.size() < size - 2) return too_short;
    ByteReader in(bytes);
    FileStandardInformation i;
    i.allocation_size = in.u64();
    i.end_of_file = in.u64();
    i.number_of_links = in.u32();
    i.delete_pending = in.u8() != 0;
    i.directory = in.u8() != 0;
    return i;
}

void FileStandardInformation::encode(ByteWriter& out) const {
    out.u64(allocation_size);
    out.u64(end_of_file);
    out.u32(number_of_links);
    out.u8(delete_pending ? 1 : 0);
    out.u8(directory ? 1 : 0);
    out.u16(0);
}

Result<FileStandardLinkInformation, NtStatus> FileStandardLinkInformation::decode(Bytes bytes) {
    if (bytes.size() < size - 2) return too_short;
    ByteReader in(bytes);
    FileStandardLinkInformation i;
    i.accessible_links = in.u32();
    i.total_links = in.u32();
    i.delete_pending = in.u8() != 0;
    i.directory = in.u8() != 0;
    return i;
}

void FileStandardLinkInformation::encode(ByteWriter& out) const {
    out.u32(accessible_links);
    out.u32(total_links);
    out.u8(delete_pending ? 1 : 0);
    out.u8(directory ? 1 : 0);
    out.u16(0);
}

Result<FileNameInformation, NtStatus> FileNameInformation::decode(Bytes bytes) {
    if (bytes.size() < fixed_size) return too_short;
    ByteReader in(bytes);
    const uint32_t length = in.u32();
    FileNameInformation i{in.bytes(length)};
    if (!in.ok()) return too_short;
    if (length % 2 != 0) return NtStatus::INVALID_PARAMETER;
    return i;
}

void FileNameInformation::encode(ByteWriter& out) const {
    out.u32(static_cast<uint32_t>(name.size()));
    out.bytes(name);
}

Result<FileAllInformation, NtStatus> FileAllInformation::decode(Bytes bytes) {
    if (bytes.size() < fixed_size) return too_short;
    FileAllInformation all;
    size_t at = 0;
    auto part = [&](auto& member) {
        using T = std::remove_reference_t<decltype(member)>;
        member = *T::decode(bytes.subspan(at, T::size));
        at += T::size;
    };
    part(all.basic);
    part(all.standard);
    part(all.internal);
    part(all.ea);
    part(all.access);
    part(all.position);
    part(all.mode);
    part(all.alignment);
    auto name = FileNameInformation::decode(bytes.subspan(at));
    if (!name) return name.failure();
    all.name = *name;
    return all;
}

void FileAllInformation::encode(ByteWriter& out) const {
    basic.encode(out);
    standard.encode(out);
    internal.encode(out);
    ea.encode(out);
    access.encode(out);
    position.encode(out);
    mode.encode(out);
    alignment.encode(out);
    name.encode(out);
}

Result<FileCompressionInformation, NtStatus> FileCompressionInformation::decode(Bytes bytes) {
    if (bytes.size() < size) return too_short;
    ByteReader in(bytes);
    FileCompressionInformation i;
    i.compressed_file_size = in.u64();
    i.compression_format = in.u16();
    i.compression_unit_shift = in.u8();
    i.chunk_shift = in.u8();
    i.cluster_shift = in.u8();
    return i;
}

void FileCompressionInformation::encode(ByteWriter& out) const {
    out.u64(compressed_file_size);
    out.u16(compression_format);
    out.u8(compression_unit_shift);
    out.u8(chunk_shift);
    out.u8(cluster_shift);
    out.zeros(3);
}

Result<FileNetworkOpenInformation, NtStatus> FileNetworkOpenInformation::decode(Bytes bytes) {
    if (bytes.size() < size) return too_short;
    ByteReader in(bytes);
    FileNetworkOpenInformation i;
    i.info.creation_time.ticks = in.u64();
    i.info.last_access_time.ticks = in.u64();
    i.info.last_write_time.ticks = in.u64();
    i.info.change_time.ticks = in.u64();
    i.info.allocation_size = in.u64();
    i.info.end_of_file = in.u64();
    i.info.file_attributes = in.u32();
    return i;
}

void FileNetworkOpenInformation::encode(ByteWriter& out) const {
    out.u64(info.creation_time.ticks);
    out.u64(info.last_access_time.ticks);
    out.u64(info.last_write_time.ticks);
    out.u64(info.change_time.ticks);
    out.u64(info.allocation_size);
    out.u64(info.end_of_file);
    out.u32(info.file_attributes);
    out.u32(0);
}

Result<FileAttributeTagInformation, NtStatus> FileAttributeTagInformation::decode(Bytes bytes) {
    if (bytes.size() < size) return too_short;
    ByteReader in(bytes);
    FileAttributeTagInformation i;
    i.file_attributes = in.u32();
    i.reparse_tag = in.u32();
    return i;
}

void FileAttributeTagInformation::encode(ByteWriter& out) const {
    out.u32(file_attributes);
    out.u32(reparse_tag);
}

Result<FileDispositionInformation, NtStatus> FileDispositionInformation::decode(Bytes bytes) {
    if (bytes.size() < size) return too_short;
    return FileDispositionInformation{bytes[0] != 0};
}

void FileDispositionInformation::encode(ByteWriter& out) const { out.u8(delete_pending ? 1 : 0); }

Result<FileRenameInformation, NtStatus> FileRenameInformation::decode(Bytes bytes, bool ex) {
    if (bytes.size() < fixed_size) return too_short;
    ByteReader in(bytes);
    FileRenameInformation i;
    if (ex) {
        i.flags = in.u32();
    } else {
        i.flags = in.u8() != 0 ? rename_flags::replace_if_exists : 0;
        in.skip(3);
    }
    in.skip(4);
    i.root_directory = in.u64();
    const uint32_t length = in.u32();
    i.name = in.bytes(length);
    if (!in.ok()) return too_short;
    if (length % 2 != 0) return NtStatus::INVALID_PARAMETER;
    return i;
}

void FileRenameInformation::encode(ByteWriter& out, bool ex) const {
    if (ex) {
        out.u32(flags);
    } else {
        out.u32((flags & rename_flags::replace_if_exists) != 0 ? 1 : 0);
    }
    out.u32(0);
    out.u64(root_directory);
    out.u32(static_cast<uint32_t>(name.size()));
    out.bytes(name);
    if (fixed_size + name.size() < rename_minimum_size) out.zeros(rename_minimum_size - fixed_size - name.size());
}

Result<FileIdInformation, NtStatus> FileIdInformation::decode(Bytes bytes) {
    if (bytes.size() < size) return too_short;
    ByteReader in(bytes);
    FileIdInformation i;
    i.volume_serial_number = in.u64();
    in.copy(i.file_id);
    return i;
}

void FileIdInformation::encode(ByteWriter& out) const {
    out.u64(volume_serial_number);
    out.bytes(file_id);
}

Result<FileObjectIdInformation, NtStatus> FileObjectIdInformation::decode(Bytes bytes) {
    if (bytes.size() < size) return too_short;
    ByteReader in(bytes);
    FileObjectIdInformation i;
    i.file_reference_number = in.u64();
    in.copy(i.object_id_buffer);
    return i;
}

void FileObjectIdInformation::encode(ByteWriter& out) const {
    out.u64(file_reference_number);
    out.bytes(object_id_buffer);
}

Result<FileReparsePointInformation, NtStatus> FileReparsePointInformation::decode(Bytes bytes) {
    if (bytes.size() < size) return too_short;
    ByteReader in(bytes);
    FileReparsePointInformation i;
    i.file_reference_number = in.u64();
    i.tag = in.u32();
    return i;
}

void FileReparsePointInformation::encode(ByteWriter& out) const {
    out.u64(file_reference_number);
    out.u32(tag);
}

Result<FilePipeInformation, NtStatus> FilePipeInformation::decode(Bytes bytes) {
    if (bytes.size() < size) return too_short;
    ByteReader in(bytes);
    FilePipeInformation i;
    i.read_mode = in.u32();
    i.completion_mode = in.u32();
    return i;
}

void FilePipeInformation::encode(ByteWriter& out) const {
    out.u32(read_mode);
    out.u32(completion_mode);
}

Result<FilePipeLocalInformation, NtStatus> FilePipeLocalInformation::decode(Bytes bytes) {
    if (bytes.size() < size) return too_short;
    ByteReader in(bytes);
    FilePipeLocalInformation i;
    for (uint32_t* field : {&i.named_pipe_type, &i.named_pipe_configuration, &i.maximum_instances, &i.current_instances, &i.inbound_quota,
                            &i.read_data_available, &i.outbound_quota, &i.write_quota_available, &i.named_pipe_state, &i.named_pipe_end}) {
        *field = in.u32();
    }
    return i;
}

void FilePipeLocalInformation::encode(ByteWriter& out) const {
    for (uint32_t field : {named_pipe_type, named_pipe_configuration, maximum_instances, current_instances, inbound_quota,
                           read_data_available, outbound_quota, write_quota_available, named_pipe_state, named_pipe_end}) {
        out.u32(field);
    }
}

Result<FilePipeRemoteInformation, NtStatus> FilePipeRemoteInformation::decode(Bytes bytes) {
    if (bytes.size() < size) return too_short;
    ByteReader in(bytes);
    FilePipeRemoteInformation i;
    i.collect_data_time = in.u64();
    i.maximum_collection_count = in.u32();
    return i;
}

void FilePipeRemoteInformation::encode(ByteWriter& out) const {
    out.u64(collect_data_time);
    out.u32(maximum_collection_count);
}

}  // namespace Atoll::smb
