// Listing a directory: MS-FSA 2.1.5.6.3.
#include <unistd.h>

#include "base/limits.h"
#include "base/utf.h"
#include "smbd/fsa/core.h"
#include "smbd/fsa/reparse.h"
#include "smbd/fsa/security.h"
#include "smbd/fsa/wildcard.h"
#include "vfs/path.h"
#include "vfs/short_name.h"

namespace Atoll::fsa {

namespace {

constexpr size_t max_pattern_bytes = 4 * limits::max_expression_units;

bool is_valid_pattern(std::string_view pattern) {
    if (pattern.size() > max_pattern_bytes) return false;
    for (const char c : pattern) {
        if (static_cast<unsigned char>(c) < 0x20 || c == '\\' || c == '/' || c == ':' || c == '|') return false;
    }
    return true;
}

// `hide unreadable`: what cannot be read in every respect is not there, neither data nor attributes nor who may.
constexpr uint32_t readable = access::read_data | access::read_ea | access::read_attributes | access::read_control;

// `hide unreadable` and `hide unwriteable files`, by whatever decides.
bool may_read(ShareRoot& share, const vfs::File& file, const vfs::Stat& stat) {
    if (share.decides_by_descriptor()) return (rights_by_descriptor(share, file, stat, {}, 0) & readable) == readable;
    return share.vfs().may(file, R_OK);
}
bool may_write(ShareRoot& share, const vfs::File& file, const vfs::Stat& stat) {
    if (share.decides_by_descriptor()) return (rights_by_descriptor(share, file, stat, {}, 0) & access::write_data) != 0;
    return share.vfs().may(file, W_OK);
}

}  // namespace

Result<void, NtStatus> OpenFile::begin_query(const QueryDirectory& request) {
    if (!directory) return NtStatus::INVALID_PARAMETER;
    if ((granted & access::list_directory) == 0) return NtStatus::ACCESS_DENIED;
    if (!query.begun || request.reopen || (request.restart && !request.pattern.empty())) {
        if (!is_valid_pattern(request.pattern)) return NtStatus::OBJECT_NAME_INVALID;
        query.pattern = request.pattern.empty() ? std::string_view("*") : request.pattern;
        query.found_any = false;
    }
    const bool from_start = !query.begun || request.restart || request.reopen;
    query.begun = true;
    if (!from_start) return {};
    if (file.path_only) {
        auto reopened = vfs().reopen(file, vfs::Access::read);
        if (!reopened) return nt_status_from_errno(reopened.error());
        file = std::move(*reopened);
    }
    if (!query.reader) query.reader.emplace(vfs(), file);
    if (auto r = query.reader->rewind(); !r) return nt_status_from_errno(r.error());
    query.next = DirectoryQuery::Next::dot;
    query.put_back = false;
    return {};
}

NtStatus OpenFile::nothing_found() const { return query.found_any ? NtStatus::NO_MORE_FILES : NtStatus::NO_SUCH_FILE; }

std::string_view OpenFile::entry_short_name() {
    const auto& options = vfs().options();
    if (options.mangled_names == vfs::MangledNames::no || query.shown == "." || query.shown == "..") return {};
    if (vfs::is_8_3_name(query.name)) return {};
    leaf_.assign(vfs::ShortName(query.name, options.mangling_char).text());
    return leaf_;
}

void OpenFile::put_back_entry() { query.put_back = true; }

Result<const DirectoryItem*, NtStatus> OpenFile::next_entry(EntryDetail detail) {
    using Next = DirectoryQuery::Next;
    ATOLL_ASSERT(query.begun);
    if (query.put_back) {
        query.put_back = false;
        return &query.item;
    }
    while (query.next != Next::end) {
        Result<bool, NtStatus> taken = false;
        if (query.next == Next::entries) {
            auto entry = query.reader->next();
            if (!entry) return nt_status_from_errno(entry.error());
            if (!entry->has_value()) {
                query.next = Next::end;
                break;
            }
            taken = take_entry(**entry, detail);
        } else {
            taken = take_dot(detail);
        }
        if (!taken) return taken.failure();
        if (*taken) {
            query.found_any = true;
            return &query.item;
        }
    }
    return static_cast<const DirectoryItem*>(nullptr);
}

// "." and "..", which come first; the parent of the share's root is the root itself. A pattern that is one exact name is looked up
// here instead of being searched for.
Result<bool, NtStatus> OpenFile::take_dot(EntryDetail detail) {
    using Next = DirectoryQuery::Next;
    const bool up = query.next == Next::dot_dot;
    query.next = up ? Next::entries : Next::dot_dot;
    if (!has_wildcards(query.pattern) && query.pattern != "." && query.pattern != "..") {
        vfs::DirectoryEntry entry;
        entry.name = query.pattern;
        query.next = Next::entries;
        auto there = vfs().stat_at(file, query.pattern.c_str());
        if (!there) return false;  // perhaps in another case: the search tells
        query.next = Next::end;
        entry.type = there->type();
        entry.inode = there->inode;
        return take_entry(entry, detail);
    }
    const std::string_view dots = up ? ".." : ".";
    if (!name_in_expression(dots, query.pattern, true)) return false;
    query.shown = dots;
    query.item = {};
    query.item.name = query.shown;
    if (detail == EntryDetail::name) return true;
    const std::string parent(up ? vfs::parent_of(name) : std::string_view(name));
    auto opened = vfs().open(parent.c_str(), {});
    if (!opened) return nt_status_from_errno(opened.error());
    auto its = vfs().stat(*opened);
    if (!its) return nt_status_from_errno(its.error());
    query.item.basic = basic_info(*its, share_->attributes(*opened, *its, {}));
    query.item.id = wire_id(*share_, its->inode, id.volume);
    if (detail == EntryDetail::ea_size) query.item.ea_size = share_->ea_length(*opened);
    return true;
}

// False: not to be listed. A name that cannot be said to a client is shown by its 8.3 name, unless `mangled names = no`.
Result<bool, NtStatus> OpenFile::take_entry(const vfs::DirectoryEntry& entry, EntryDetail detail) {
    if (entry.name == "." || entry.name == ".." || share_->is_vetoed(entry.name)) return false;
    const auto& options = vfs().options();
    query.name.assign(entry.name);
    query.shown.assign(entry.name);
    if (!is_wire_name(entry.name)) {
        if (options.mangled_names == vfs::MangledNames::no) return false;
        query.shown.assign(vfs::ShortName(entry.name, options.mangling_char).text());
    }
    if (!name_in_expression(query.shown, query.pattern, !options.case_sensitive)) return false;
    query.item = {};
    query.item.name = query.shown;
    const auto& conf = share_->conf();
    const bool filtered = conf.hide_unreadable || conf.hide_unwriteable_files || conf.hide_special_files;
    if (detail == EntryDetail::name && !filtered && entry.type_known && entry.type != vfs::FileType::symlink) return true;
    return fill_item(detail);
}

Result<bool, NtStatus> OpenFile::fill_item(EntryDetail detail) {
    auto its = vfs().stat_at(file, query.name.c_str());
    if (!its) return its.error() == ENOENT ? Result<bool, NtStatus>(false) : nt_status_from_errno(its.error());
    if (its->type() == vfs::FileType::symlink) return fill_from_symlink(detail);
    const auto& conf = share_->conf();
    if (conf.hide_special_files && its->type() == vfs::FileType::other) return false;
    if (conf.hide_unreadable || conf.hide_unwriteable_files) {
        auto opened = vfs().open_at(file, query.name.c_str(), {});
        if (!opened) return false;
        if (conf.hide_unreadable && !may_read(*share_, *opened, *its)) return false;
        if (conf.hide_unwriteable_files && !its->is_directory() && !may_write(*share_, *opened, *its)) return false;
    }
    query.item.basic = basic_info(*its, share_->attributes_at(file, query.name.c_str(), *its));
    const bool reparse = (query.item.basic.attributes & attribute::reparse_point) != 0;
    query.item.reparse_tag = reparse ? reparse_tag(vfs(), file, query.name.c_str()) : 0;
    query.item.end_of_file = its->is_directory() ? 0 : its->size;
    query.item.allocation_size = allocation_size(*share_, *its);
    query.item.id = wire_id(*share_, its->inode, id.volume);
    if (detail == EntryDetail::ea_size) query.item.ea_size = reparse ? query.item.reparse_tag : share_->ea_length(file, query.name.c_str());
    return true;
}

// A symlink is what it leads to, by the same rules as a create follows it; one that leads nowhere is not there.
bool OpenFile::fill_from_symlink(EntryDetail detail) {
    leaf_ = name;
    if (!leaf_.empty()) leaf_ += '/';
    leaf_ += query.name;
    auto target = vfs().open(leaf_.c_str(), {});
    if (!target) return false;
    auto its = vfs().stat(*target);
    if (!its) return false;
    query.item.basic = basic_info(*its, share_->attributes(*target, *its, query.name));
    query.item.reparse_tag = 0;
    query.item.end_of_file = its->is_directory() ? 0 : its->size;
    query.item.allocation_size = allocation_size(*share_, *its);
    query.item.id = wire_id(*share_, its->inode, id.volume);
    if (detail == EntryDetail::ea_size) query.item.ea_size = share_->ea_length(*target);
    return true;
}

}  // namespace Atoll::fsa
