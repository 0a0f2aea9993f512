// QUERY_DIRECTORY (MS-SMB2 3.3.5.18).
#include "base/utf.h"
#include "libcli/smb/fscc_directory.h"
#include "libcli/smb/query.h"
#include "smbd/smb2/acting.h"
#include "smbd/smb2/admission.h"
#include "smbd/smb2/client.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/dispatch.h"

namespace Atoll::smb2 {
namespace {

bool offered_class(smb::FileInformationClass c) {
    using Class = smb::FileInformationClass;
    switch (c) {
        case Class::directory:
        case Class::full_directory:
        case Class::both_directory:
        case Class::names:
        case Class::id_both_directory:
        case Class::id_full_directory:
        case Class::id_extd_directory: return true;
        default: return false;
    }
}

fsa::EntryDetail detail_of(smb::FileInformationClass c) {
    if (c == smb::FileInformationClass::names) return fsa::EntryDetail::name;
    return c == smb::FileInformationClass::directory ? fsa::EntryDetail::information : fsa::EntryDetail::ea_size;
}

NtStatus check_query(Request& request, const smb::QueryDirectoryRequest& query) {
    if (!offered_class(query.information_class)) return NtStatus::INVALID_INFO_CLASS;
    if (query.output_buffer_length > request.connection().channel().max_transact) return NtStatus::INVALID_PARAMETER;
    if (query.output_buffer_length < smb::directory_entry_fixed_size(query.information_class)) return NtStatus::INFO_LENGTH_MISMATCH;
    const fsa::Open& file = *request.open->file;
    if (!file.is_directory()) return NtStatus::INVALID_PARAMETER;
    if ((file.granted_access() & fsa::access::list_directory) == 0) return NtStatus::ACCESS_DENIED;
    return NtStatus::SUCCESS;
}

bool has_short_names(smb::FileInformationClass info_class) {
    using Class = smb::FileInformationClass;
    return info_class == Class::both_directory || info_class == Class::id_both_directory ||
           info_class == Class::id_64_extd_both_directory || info_class == Class::id_all_extd_both_directory;
}

smb::DirectoryEntry wire_entry(const fsa::DirectoryItem& item, Bytes name, Bytes short_name) {
    smb::DirectoryEntry entry;
    entry.file_index = item.index;
    entry.info = {item.basic.creation,  item.basic.access, item.basic.write,     item.basic.change,
                  item.allocation_size, item.end_of_file,  item.basic.attributes};
    entry.ea_size = item.ea_size;
    entry.reparse_tag = item.reparse_tag;
    entry.file_id = item.id.index_number;
    entry.file_id_128 = item.id.id_128;
    entry.name = name;
    entry.short_name = short_name;
    return entry;
}

// Fills the response until it is full, the directory ends, or one entry was asked for.
NtStatus list_entries(Request& request, const smb::QueryDirectoryRequest& query) {
    fsa::Open& file = *request.open->file;
    Buffer& name = request.connection().scratch();
    smb::DirectoryListWriter list(request.out(), query.information_class, query.output_buffer_length);
    const fsa::EntryDetail detail = detail_of(query.information_class);
    const bool short_names = has_short_names(query.information_class);
    const bool single = (query.flags & smb::query_directory_flags::return_single_entry) != 0;
    for (;;) {
        const auto item = file.next_entry(detail);
        if (!item.ok()) return list.count() > 0 ? NtStatus::SUCCESS : item.error();
        if (!*item) return list.count() > 0 ? NtStatus::SUCCESS : file.nothing_found();
        name.clear();
        if (!append_utf16le(name, (*item)->name)) continue;  // a name that is not UTF-8 cannot be told to a client
        const size_t length = name.size();
        if (short_names) (void)append_utf16le(name, file.entry_short_name());  // which is ASCII
        if (!list.add(wire_entry(**item, name.bytes().first(length), name.bytes().subspan(length)))) {
            file.put_back_entry();
            // MS-FSA 2.1.5.6.3: the first entry's fixed part would fit, its name does not.
            return list.count() > 0 ? NtStatus::SUCCESS : NtStatus::BUFFER_OVERFLOW;
        }
        if (single) return NtStatus::SUCCESS;
    }
}

}  // namespace

NtStatus handle_query_directory(Request& request) {
    const auto query = smb::QueryDirectoryRequest::decode(request.message);
    if (!query.ok()) return query.error();
    if (const NtStatus status = check_credit_charge(request, query->output_buffer_length); status != NtStatus::SUCCESS) return status;
    if (const NtStatus status = request.look_up_open(query->file_id); status != NtStatus::SUCCESS) return status;
    if (const NtStatus status = check_query(request, *query); status != NtStatus::SUCCESS) return status;
    if (const NtStatus status = act_as_user(request); status != NtStatus::SUCCESS) return status;

    std::string& pattern = request.connection().client().path_scratch();
    if (!utf16le_to_utf8(query->pattern, pattern)) return NtStatus::OBJECT_NAME_INVALID;
    fsa::QueryDirectory begin;
    begin.pattern = pattern;
    begin.restart = (query->flags & smb::query_directory_flags::restart_scans) != 0;
    begin.reopen = (query->flags & smb::query_directory_flags::reopen) != 0;
    begin.index_specified = (query->flags & smb::query_directory_flags::index_specified) != 0;
    begin.index = query->file_index;
    const auto begun = request.open->file->begin_query(begin);
    if (!begun.ok()) return begun.error();
    smb::OutputBufferResponse::begin(request.out());
    if (const NtStatus status = list_entries(request, *query); status != NtStatus::SUCCESS) return status;
    smb::OutputBufferResponse::finish(request.out());
    return NtStatus::SUCCESS;
}

}  // namespace Atoll::smb2
