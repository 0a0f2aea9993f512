// FileFullEaInformation: MS-SMB2 3.3.5.20.1, 3.3.5.21.1, MS-FSCC 2.4.16.
#include "smbd/smb2/extended_attributes.h"

#include <algorithm>

#include "base/limits.h"
#include "libcli/smb/fscc_directory.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/info_classes.h"

namespace Atoll::smb2 {
namespace {

constexpr size_t fixed_size = 8;                                                    // of an entry, before the name
constexpr uint32_t restart_scan = 1, return_single_entry = 2, index_specified = 4;  // MS-SMB2 2.2.37

bool equal_names(std::string_view a, std::string_view b) {
    const auto fold = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [&](char x, char y) { return fold(x) == fold(y); });
}

// The answer: whole entries, as many as fit.
class Answer {
 public:
    Answer(Request& request, const smb::QueryInfoRequest& query)
        : list_(request.out(), query.output_buffer_length, smb::EaEntry::alignment), single_((query.flags & return_single_entry) != 0) {}

    // False: this entry is not in the answer, and none will be that follows it.
    bool add(const fsa::ExtendedAttribute& ea) {
        if (single_ && list_.count() > 0) return false;
        if (smb::add_ea(list_, {0, as_bytes(ea.name), ea.value})) return true;
        overflow_ = true;
        return false;
    }
    [[nodiscard]] size_t count() const { return list_.count(); }
    // MS-FSA 2.1.5.12.12
    [[nodiscard]] NtStatus status() const {
        if (!overflow_) return NtStatus::SUCCESS;
        return list_.count() > 0 ? NtStatus::BUFFER_OVERFLOW : NtStatus::BUFFER_TOO_SMALL;
    }

 private:
    smb::EntryListWriter list_;
    bool single_;
    bool overflow_ = false;
};

// By the client's list of names, in its order; one that the file does not have is given without a value.
NtStatus answer_names(const fsa::ExtendedAttributes& all, Bytes names, Answer& answer) {
    smb::EntryListReader list(names);
    bool full = false;
    while (const auto name = smb::next_get_ea(list)) {
        if (full) continue;  // the rest of the list must be well-formed all the same
        fsa::ExtendedAttribute found{as_text(*name), {}, 0};
        for (size_t i = 0; i < all.size(); i++) {
            if (equal_names(all[i].name, found.name)) found = all[i];
        }
        full = !answer.add(found);
    }
    return list.malformed() ? NtStatus::EA_LIST_INCONSISTENT : answer.status();
}

// From an index on that counts from 1.
NtStatus answer_from(const fsa::ExtendedAttributes& all, uint32_t index, Answer& answer) {
    for (size_t i = index - 1; i < all.size(); i++) {
        if (!answer.add(all[i])) break;
    }
    return answer.status();
}

}  // namespace

NtStatus query_extended_attributes(Request& request, const smb::QueryInfoRequest& query) {
    xsrv::Open& open = *request.open;
    if ((open.file->granted_access() & fsa::access::read_ea) == 0) return NtStatus::ACCESS_DENIED;
    if (query.output_buffer_length < fixed_size) return NtStatus::INFO_LENGTH_MISMATCH;
    fsa::ExtendedAttributes all;
    const auto read = open.file->get_extended_attributes(all);
    if (!read.ok()) return read.error();
    if (all.empty()) return NtStatus::NO_EAS_ON_FILE;
    Answer answer(request, query);
    if (!query.input.empty()) return answer_names(all, query.input, answer);
    if ((query.flags & index_specified) != 0) {
        const uint32_t index = query.additional_information;
        if (index == 0 || index > all.size()) return NtStatus::NONEXISTENT_EA_ENTRY;
        return answer_from(all, index, answer);
    }
    if ((query.flags & restart_scan) != 0) open.current_ea_index = 1;
    if (open.current_ea_index > all.size()) return NtStatus::NO_EAS_ON_FILE;
    const NtStatus status = answer_from(all, open.current_ea_index, answer);
    open.current_ea_index += static_cast<uint32_t>(answer.count());
    return status;
}

bool decode_extended_attributes(Bytes list, std::vector<fsa::ExtendedAttribute>& out) {
    smb::EntryListReader reader(list);
    while (const auto ea = smb::next_ea(reader)) out.push_back({as_text(ea->name), ea->value, ea->flags});
    return !reader.malformed();
}

NtStatus set_extended_attributes(fsa::Open& file, Bytes buffer) {
    if ((file.granted_access() & fsa::access::write_ea) == 0) return NtStatus::ACCESS_DENIED;
    if (buffer.size() > limits::max_ea_list) return NtStatus::EA_TOO_LARGE;
    std::vector<fsa::ExtendedAttribute> list;
    if (!decode_extended_attributes(buffer, list)) return NtStatus::EA_LIST_INCONSISTENT;
    const auto set = file.set_extended_attributes(list);
    return set.ok() ? NtStatus::SUCCESS : set.error();
}

}  // namespace Atoll::smb2
