// What a file is, and changing it: MS-FSA 2.1.5.12 and 2.1.5.15. Names: rename.cpp.
#include <sys/stat.h>

#include <climits>

#include "base/limits.h"
#include "base/loop/identity.h"
#include "smbd/fsa/core.h"
#include "smbd/fsa/reparse.h"
#include "smbd/fsa/rights.h"
#include "vfs/dos_attributes.h"
#include "vfs/path.h"
#include "vfs/short_name.h"

namespace Atoll::fsa {

namespace {

constexpr uint32_t settable_modes =
    option::write_through | option::sequential_only | option::synchronous_io_alert | option::synchronous_io_nonalert;
constexpr uint32_t sector_size = 512;

// 0 keeps a time, -1 and -2 say what later writes do to it; other negative values are none (MS-FSCC 2.4.7).
bool is_valid_time(NtTime t) { return t.ticks <= INT64_MAX || t.ticks == NtTime::freeze || t.ticks == NtTime::thaw; }
bool sets(NtTime t) { return t.ticks != NtTime::keep && t.ticks != NtTime::freeze && t.ticks != NtTime::thaw; }

timespec or_omit(NtTime t) {
    if (sets(t)) return t.to_timespec();
    timespec omit{};
    omit.tv_nsec = UTIME_OMIT;
    return omit;
}

}  // namespace

FileInfo OpenFile::info_from(const vfs::Stat& s, const vfs::DosAttributes& a, bool delete_pending) {
    FileInfo out;
    out.basic = basic_info(s, a);
    out.directory = s.is_directory();
    out.end_of_file = out.directory ? 0 : s.size;
    out.allocation_size = allocation_size(*share_, s, set_aside);
    out.links = out.directory ? 1 : s.links;
    if (delete_pending && out.links > 0) out.links--;
    out.delete_pending = delete_pending;
    out.id = wire_id(*share_, s.inode, id.volume);
    out.granted_access = granted;
    out.position = position;
    out.mode = mode;
    if ((a.attributes & attribute::reparse_point) != 0) out.reparse_tag = reparse_tag(vfs(), file);
    wire_name_.assign(1, '\\');
    wire_name_ += name_for_clients();
    for (char& c : wire_name_) {
        if (c == '/') c = '\\';
    }
    if (!stream.empty()) wire_name_.append(1, ':') += stream;
    out.name = wire_name_;
    return out;
}

std::string_view OpenFile::short_name() {
    const auto& options = vfs().options();
    if (name.empty() || options.mangled_names == vfs::MangledNames::no) return {};
    leaf_.assign(vfs::ShortName(vfs::leaf_of(name), options.mangling_char).text());
    return leaf_;
}

Result<void, NtStatus> OpenFile::refresh() {
    auto now = vfs().stat(file);
    if (!now) return nt_status_from_errno(now.error());
    stat = *now;
    attributes = share_->attributes(file, stat, vfs::leaf_of(name));
    return {};
}

FileInfo OpenFile::known_info() { return info_from(stat, attributes, core_.modes.is_delete_pending(id)); }

Result<FileInfo, NtStatus> OpenFile::info() {
    if (auto r = refresh(); !r) return r.failure();
    return known_info();
}

Result<void, NtStatus> OpenFile::store_attributes(const vfs::DosAttributes& value) {
    auto stored = vfs().set_dos_attributes(file, stat, value);
    if (!stored && (stored.error() == EACCES || stored.error() == EPERM)) {
        // Root: the right to change attributes was checked when the file was opened; keeping them in an extended attribute asks for the
        // right to write the file, which its owner need not have.
        const loop::RootScope root;
        stored = vfs().set_dos_attributes(file, stat, value);
    }
    if (!stored && stored.error() != EOPNOTSUPP) return nt_status_from_errno(stored.error());
    return {};
}

// MS-FSA 2.1.5.15.2
Result<void, NtStatus> OpenFile::set_basic(const SetBasic& value) {
    if (!is_valid_time(value.creation) || !is_valid_time(value.access) || !is_valid_time(value.write) || !is_valid_time(value.change)) {
        return NtStatus::INVALID_PARAMETER;
    }
    if ((value.attributes & attribute::directory) != 0 && !directory) return NtStatus::INVALID_PARAMETER;
    if ((value.attributes & attribute::temporary) != 0 && directory) return NtStatus::INVALID_PARAMETER;
    if (auto r = refresh(); !r) return r;
    if (auto r = set_attributes_and_creation(value); !r) return r;
    if (auto r = set_file_times(value); !r) return r;
    report_basic(value);
    if (value.change.ticks == NtTime::thaw) user_set_change = false;
    if (value.change.ticks == NtTime::freeze || sets(value.change)) {
        user_set_change = true;
        kept_change = sets(value.change) ? value.change : basic_info(stat, attributes).change;
    }
    return user_set_change ? keep_change_time() : refresh();
}

// What the file system has made of the change time since is undone.
Result<void, NtStatus> OpenFile::keep_change_time() {
    if (auto r = refresh(); !r) return r;
    if (basic_info(stat, attributes).change == kept_change) return {};
    vfs::DosAttributes value = attributes;
    value.change_time = kept_change;
    if (auto r = store_attributes(value); !r) return r;
    return refresh();
}

void OpenFile::report_basic(const SetBasic& value) {
    uint32_t filter = 0;
    if (value.attributes != 0) filter |= notify_filter::attributes;
    if (sets(value.creation)) filter |= notify_filter::creation;
    if (sets(value.access)) filter |= notify_filter::last_access;
    if (sets(value.write)) filter |= notify_filter::last_write;
    if (sets(value.change)) core_.directory_leases.child_changed(*share_, name, this);
    if (filter != 0) report(NotifyAction::modified, filter);
}

Result<void, NtStatus> OpenFile::set_attributes_and_creation(const SetBasic& value) {
    vfs::DosAttributes wanted = attributes;
    wanted.change_time = {};
    if (value.attributes != 0) {
        const uint32_t fixed = name.empty() ? attribute::hidden | attribute::system : 0;  // the root's cannot be changed
        const uint32_t own = fixed | attribute::sparse_file | attribute::reparse_point;   // set by FSCTLs alone
        wanted.attributes = (attributes.attributes & own) | (value.attributes & vfs::attribute::settable & ~fixed);
    }
    if (sets(value.creation)) wanted.create_time = value.creation;
    const uint32_t before = attributes.attributes & vfs::attribute::settable;
    if ((wanted.attributes & vfs::attribute::settable) == before && wanted.create_time == attributes.create_time) return {};
    return store_attributes(wanted);
}

Result<void, NtStatus> OpenFile::set_file_times(const SetBasic& value) {
    if (value.write.ticks == NtTime::thaw) user_set_write = false;
    if (value.write.ticks == NtTime::freeze) {
        user_set_write = true;
        kept_write = stat.write_time;
    }
    if (!sets(value.access) && !sets(value.write)) return {};
    auto set = vfs().set_times(file, or_omit(value.access), or_omit(value.write));
    if (!set && set.error() == EPERM && share_->conf().dos_filetimes) {
        // Root: POSIX lets only the owner set times; with `dos filetimes` whoever may write the file may, and that was checked.
        const loop::RootScope root;
        set = vfs().set_times(file, or_omit(value.access), or_omit(value.write));
    }
    if (!set) return nt_status_from_errno(set.error());
    if (sets(value.write)) {
        user_set_write = true;
        kept_write = value.write.to_timespec();
    }
    return {};
}

Result<void, NtStatus> OpenFile::add_archive_attribute() {
    if ((attributes.attributes & attribute::archive) != 0) return {};
    if (auto r = refresh(); !r) return r;
    vfs::DosAttributes value = attributes;
    value.change_time = {};
    value.attributes = (value.attributes | attribute::archive) & ~attribute::normal;
    if (auto r = store_attributes(value); !r) return r;
    attributes.attributes = value.attributes;
    return {};
}

// MS-FSA 2.1.4.17: the archive attribute is set, and a write time that the user has set stays.
Result<void, NtStatus> OpenFile::note_modification() {
    if (!wrote) {
        wrote = true;
        if (auto r = add_archive_attribute(); !r) return r;
    }
    if (!user_set_write && stream.empty()) return user_set_change ? keep_change_time() : Result<void, NtStatus>();
    timespec omit{}, time = kept_write;
    omit.tv_nsec = UTIME_OMIT;
    if (!user_set_write) time.tv_nsec = UTIME_NOW;  // data of a stream is none of the file's to the file system
    auto set = vfs().set_times(file, omit, time);
    if (!set && set.error() == EPERM && share_->conf().dos_filetimes) {
        const loop::RootScope root;  // as in set_file_times
        set = vfs().set_times(file, omit, time);
    }
    if (!set) return nt_status_from_errno(set.error());
    return user_set_change ? keep_change_time() : Result<void, NtStatus>();
}

// MS-FSA 2.1.5.15.5
Result<void, NtStatus> OpenFile::set_end_of_file(uint64_t size) {
    if (directory || size > limits::max_file_size) return NtStatus::INVALID_PARAMETER;
    if ((granted & access::write_data) == 0) return NtStatus::ACCESS_DENIED;
    core_.oplocks.break_for_write(*this);
    if (auto r = vfs().truncate(file, size); !r) return nt_status_from_errno(r.error());
    report(NotifyAction::modified, notify_filter::size | notify_filter::last_write);
    return note_modification();
}

// MS-FSA 2.1.5.15.1
Result<void, NtStatus> OpenFile::set_allocation_size(uint64_t size) {
    if (directory || size > limits::max_file_size) return NtStatus::INVALID_PARAMETER;
    if ((granted & access::write_data) == 0) return NtStatus::ACCESS_DENIED;
    core_.oplocks.break_for_write(*this);
    if (stream.empty()) core_.directory_leases.child_changed(*share_, name, this);
    auto now = vfs().stat(file);
    if (!now) return nt_status_from_errno(now.error());
    if (size < now->size) {
        if (auto r = vfs().truncate(file, size); !r) return nt_status_from_errno(r.error());
        report(NotifyAction::modified, notify_filter::size | notify_filter::last_write);
        return note_modification();
    }
    if (size < now->allocated) {  // what was set aside behind the end of the file is freed
        set_aside = 0;
        if (auto r = vfs().truncate(file, now->size); !r) return nt_status_from_errno(r.error());
    }
    if (size == 0) return {};
    set_aside = size;
    auto allocated = vfs().allocate(file, vfs::Allocate::keep_size, 0, size);
    if (!allocated && allocated.error() != EOPNOTSUPP) return nt_status_from_errno(allocated.error());
    return {};
}

// MS-FSA 2.1.5.15.15: for holders of SeManageVolumePrivilege. Files here never show old disk contents, so there is nothing else to do.
Result<void, NtStatus> OpenFile::set_valid_data_length(uint64_t size) {
    if (directory) return NtStatus::INVALID_PARAMETER;
    if (loop::current_identity().uid != 0) return NtStatus::PRIVILEGE_NOT_HELD;
    if (auto r = refresh(); !r) return r;
    if (size > stat.size) return NtStatus::INVALID_PARAMETER;
    return {};
}

// MS-FSA 2.1.5.15.10
Result<void, NtStatus> OpenFile::set_position(uint64_t value) {
    if (value > INT64_MAX) return NtStatus::INVALID_PARAMETER;
    if ((mode & option::no_intermediate_buffering) != 0 && value % sector_size != 0) return NtStatus::INVALID_PARAMETER;
    position = value;
    return {};
}

// MS-FSA 2.1.5.15.8
Result<void, NtStatus> OpenFile::set_mode(uint32_t value) {
    constexpr uint32_t synchronous = option::synchronous_io_alert | option::synchronous_io_nonalert;
    if ((value & ~settable_modes) != 0 || (value & synchronous) == synchronous) return NtStatus::INVALID_PARAMETER;
    mode = (mode & ~settable_modes) | value;
    return {};
}

Result<bool, NtStatus> OpenFile::is_empty_directory() {
    auto readable = vfs().reopen(file, vfs::Access::read);
    if (!readable) return nt_status_from_errno(readable.error());
    vfs::DirectoryReader reader(vfs(), *readable);
    while (true) {
        auto entry = reader.next();
        if (!entry) return nt_status_from_errno(entry.error());
        if (!entry->has_value()) return true;
        const std::string_view found = (*entry)->name;
        if (found == "." || found == "..") continue;
        if (!share_->conf().delete_veto_files || !share_->is_vetoed(found)) return false;
    }
}

// What other nodes have open of it is marked too (docs/grants.md).
Result<void, NtStatus> OpenFile::mark_for_deletion(Wait* wait) {
    ShareModes::Deletion orders;
    if (core_.node.covers(id)) {
        orders.share_path = share_->path();
        orders.name = name;
        if (token != nullptr) orders.token = *token;
    }
    if (auto r = core_.node.need_mark(id, orders, wait); !r) return r;
    if (auto r = core_.modes.set_delete_pending(id, true, full_name(), token); !r) return r;
    if (core_.node.still_marked(id)) return {};
    // Recalled meanwhile, by somebody who saw no mark.
    if (auto r = core_.modes.set_delete_pending(id, false, full_name(), nullptr); !r) return r;
    auto again = core_.node.need_mark(id, orders, wait);
    return again ? Result<void, NtStatus>(NtStatus::SHARING_VIOLATION) : again;
}

// MS-FSA 2.1.5.15.3
Result<void, NtStatus> OpenFile::set_disposition(bool delete_pending, Wait* wait) {
    if ((granted & access::delete_) == 0) return NtStatus::ACCESS_DENIED;
    if (!delete_pending) {
        core_.node.withdraw_mark(id);
        return core_.modes.set_delete_pending(id, false, full_name(), nullptr);
    }
    if (auto r = refresh(); !r) return r;
    if ((attributes.attributes & attribute::readonly) != 0 && !share_->conf().delete_readonly) return NtStatus::CANNOT_DELETE;
    if (name.empty() && stream.empty()) return NtStatus::CANNOT_DELETE;  // the root has no name that could go
    if (directory) {
        auto empty = is_empty_directory();
        if (!empty) return empty.failure();
        if (!*empty) return NtStatus::DIRECTORY_NOT_EMPTY;
    }
    // What the file system would refuse at the last close is refused now, while somebody hears of it.
    if (!stream.empty()) return mark_for_deletion(wait);
    core_.find_name(*this);
    if (!may_change_directory_of(*share_, name, stat)) return NtStatus::ACCESS_DENIED;
    if (auto r = core_.oplocks.make_way(*this, CachingOperation::remove, wait); !r) return r;
    auto set = mark_for_deletion(wait);
    if (set && directory) {
        marked_deleted = true;
        core_.notifier.marked_deleted(*share_, name);
    }
    return set;
}

}  // namespace Atoll::fsa
