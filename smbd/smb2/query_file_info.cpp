// QUERY_INFO of a file (MS-SMB2 3.3.5.20.1, MS-FSCC 2.4, MS-FSA 2.1.5.12).
#include "libcli/smb/fscc_directory.h"
#include "libcli/smb/fscc_file.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/info_classes.h"
#include "smbd/smb2/info_output.h"
#include "smbd/smb2/wire.h"

namespace Atoll::smb2 {
namespace {

using Class = smb::FileInformationClass;

// The structures with room for one character of the name, and aligned: less is a wrong length (MS-FSA 2.1.5.12.3, .4, .29, .30).
constexpr size_t least_all = 104;
constexpr size_t least_name = 8;
constexpr size_t least_stream = 32;

bool needs_read_attributes(Class c) {
    return c == Class::basic || c == Class::all || c == Class::network_open || c == Class::attribute_tag;
}

smb::FileBasicInformation basic(const fsa::FileInfo& info) {
    return {info.basic.creation, info.basic.access, info.basic.write, info.basic.change, info.basic.attributes};
}

smb::FileStandardInformation standard(const fsa::FileInfo& info) {
    return {info.allocation_size, info.end_of_file, info.links, info.delete_pending, info.directory};
}

// MS-FSA 2.1.5.12.10: 4 bytes more than the list, for a header that NTFS has and the wire has not.
uint32_t ea_size(fsa::Open& file) {
    const uint32_t length = file.ea_length();
    return length == 0 ? 0 : length + 4;
}

NtStatus all(Request& request, size_t limit, const fsa::FileInfo& info) {
    smb::FileAllInformation out;
    out.basic = basic(info);
    out.standard = standard(info);
    out.internal.value = info.id.index_number;
    out.ea.value = ea_size(*request.open->file);
    out.access.value = info.granted_access;
    out.position.value = info.position;
    out.mode.value = info.mode;
    out.alignment.value = info.alignment;
    out.name.name = wire_name(request, info.name);
    return append_named(request, limit, least_all, out);
}

NtStatus normalized_name(Request& request, size_t limit, const fsa::FileInfo& info) {
    if (request.connection().channel().dialect < 0x0311) return NtStatus::NOT_SUPPORTED;
    std::string_view name = info.name;
    if (name.starts_with('\\')) name.remove_prefix(1);
    return append_named(request, limit, least_name, smb::FileNameInformation{wire_name(request, name)});
}

// MS-FSA 2.1.5.12.4
NtStatus alternate_name(Request& request, size_t limit, std::string_view name) {
    if (limit < least_name) return NtStatus::INFO_LENGTH_MISMATCH;
    if (name.empty()) return NtStatus::OBJECT_NAME_NOT_FOUND;
    return append_named(request, limit, least_name, smb::FileNameInformation{wire_name(request, name)});
}

// MS-FSA 2.1.5.12.29
NtStatus streams(Request& request, size_t limit) {
    if (limit < least_stream) return NtStatus::INFO_LENGTH_MISMATCH;
    std::vector<fsa::StreamEntry> found;
    if (const auto listed = request.open->file->list_streams(found); !listed.ok()) return listed.error();
    smb::EntryListWriter list(request.out(), limit);
    for (const auto& stream : found) {
        if (!smb::add_stream(list, {stream.size, stream.allocation_size, wire_name(request, stream.name)}))
            return NtStatus::BUFFER_OVERFLOW;
    }
    return NtStatus::SUCCESS;
}

NtStatus file_id(Request& request, size_t limit, const fsa::FileInfo& info) {
    if (!request.connection().is_smb3()) return NtStatus::NOT_SUPPORTED;
    constexpr size_t size = 24;  // MS-FSCC 2.4.26
    if (limit < size) return NtStatus::INFO_LENGTH_MISMATCH;
    request.out().u64(info.id.volume_serial);
    request.out().bytes(info.id.id_128);
    return NtStatus::SUCCESS;
}

NtStatus compression(Request& request, size_t limit, const fsa::FileInfo& info) {
    smb::FileCompressionInformation out;
    out.compressed_file_size = info.allocation_size;
    return append_fixed(request, limit, out);
}

}  // namespace

NtStatus query_file_info(Request& request, Class info_class, size_t limit) {
    fsa::Open& file = *request.open->file;
    if (needs_read_attributes(info_class) && (file.granted_access() & fsa::access::read_attributes) == 0) return NtStatus::ACCESS_DENIED;
    // Right behind its CREATE in one compound, a query needs no second look at the file.
    const auto info = request.chain->follows_create(*request.open) ? Result<fsa::FileInfo, NtStatus>(file.known_info()) : file.info();
    if (!info.ok()) return info.error();
    switch (info_class) {
        case Class::basic: return append_fixed(request, limit, basic(*info));
        case Class::standard: return append_fixed(request, limit, standard(*info));
        case Class::internal: return append_fixed(request, limit, smb::FileInternalInformation{info->id.index_number});
        case Class::ea: return append_fixed(request, limit, smb::FileEaInformation{ea_size(file)});
        case Class::access: return append_fixed(request, limit, smb::FileAccessInformation{info->granted_access});
        case Class::position: return append_fixed(request, limit, smb::FilePositionInformation{info->position});
        case Class::mode: return append_fixed(request, limit, smb::FileModeInformation{info->mode});
        case Class::alignment: return append_fixed(request, limit, smb::FileAlignmentInformation{info->alignment});
        case Class::all: return all(request, limit, *info);
        case Class::normalized_name: return normalized_name(request, limit, *info);
        case Class::stream: return streams(request, limit);
        case Class::compression: return compression(request, limit, *info);
        case Class::network_open: return append_fixed(request, limit, smb::FileNetworkOpenInformation{times_and_sizes(*info)});
        case Class::attribute_tag:
            return append_fixed(request, limit, smb::FileAttributeTagInformation{info->basic.attributes, info->reparse_tag});
        case Class::id: return file_id(request, limit, *info);
        case Class::alternate_name: return alternate_name(request, limit, file.short_name());
        case Class::pipe:
        case Class::pipe_local:
        case Class::pipe_remote: return NtStatus::INVALID_PARAMETER;
        case Class::name:
        case Class::object_id:
        case Class::quota:
        case Class::reparse_point:
        case Class::hard_link:
        case Class::standard_link: return NtStatus::NOT_SUPPORTED;
        default: return NtStatus::INVALID_INFO_CLASS;
    }
}

}  // namespace Atoll::smb2
