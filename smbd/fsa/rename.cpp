// New names for open files: MS-FSA 2.1.5.15.7 (links) and 2.1.5.15.12 (renames).
#include "smbd/fsa/core.h"
#include "smbd/fsa/record_key.h"
#include "smbd/fsa/rights.h"
#include "smbd/fsa/security.h"
#include "vfs/path.h"

namespace Atoll::fsa {

namespace {

// What others have open below a directory that has been renamed is found by its name in the record, when their client is away or dead.
void tell_records_below(ShareModes& modes, const std::string& share_path, const std::string& old_name, const std::string& new_name) {
    std::vector<FileId> below;
    if (!modes.files_below({share_path, old_name, {}}, below)) return;
    for (const FileId& id : below) {
        const locking_record* const record = modes.look_at(id);
        if (record == nullptr || !record->name.starts_with(old_name)) continue;
        const std::string was = record->name, stream = record->stream;
        modes.rename(id, was, {share_path, new_name + was.substr(old_name.size()), stream});
    }
}

}  // namespace

// The directory of the new name, and what stands there under it.
Result<void, NtStatus> OpenFile::find_target(std::string_view new_path, vfs::Located& target) {
    if (new_path.empty()) return NtStatus::INVALID_PARAMETER;
    ParsedName& parsed = core_.parsed;
    if (auto r = parse_name(new_path, parsed); !r) return r;
    // A stream is renamed by ":name" alone; Windows opens another's directory first, and meets the open that is to be renamed.
    if (!parsed.stream.empty() && vfs().has_streams()) return NtStatus::SHARING_VIOLATION;
    if (parsed.path.empty() || parsed.data_stream || parsed.index_allocation) return NtStatus::OBJECT_NAME_INVALID;
    if (auto r = share_->check_veto(parsed.path); !r) return r;
    auto located = share_->lookup().locate(parsed.path, target);
    if (!located)
        return located.error() == EXDEV || located.error() == ELOOP ? NtStatus::OBJECT_PATH_NOT_FOUND
                                                                    : nt_status_from_errno(located.error());
    if (target.missing == vfs::Missing::component) return NtStatus::OBJECT_PATH_NOT_FOUND;
    if (target.dangling) return NtStatus::OBJECT_NAME_COLLISION;  // a symlink that the client does not see
    return {};
}

// The new name's directory is opened to make the name in it. A file's is shared as Windows does it before Windows 11 24H2 and Server 2025:
// with FILE_SHARE_READ and FILE_SHARE_WRITE (MS-FSA 2.1.5.15.12, note 185); a directory's with FILE_SHARE_DELETE too, as later ones do it
// for both. smbtorture's smb2.rename wants the one and its smb2.notify-inotify the other; Debian's smbd has it so.
Result<void, NtStatus> OpenFile::check_new_directory(const vfs::Located& target, Wait* wait) {
    if (target.parent.snapshot != 0) return NtStatus::MEDIA_WRITE_PROTECTED;
    const FileId parent = id_of(vfs().file_id(target.parent, target.parent_stat), target.parent_stat);
    if (core_.is_going(parent)) return NtStatus::DELETE_PENDING;
    if (auto r = check_may_add(*share_, target.parent, target.parent_stat, directory); !r) return r;
    const uint32_t access = directory ? access::add_subdirectory : access::write_data;
    const uint32_t share = directory ? sharing::all : sharing::read | sharing::write;
    auto conflict = core_.modes.would_conflict(parent, access, share);
    if (!conflict) return conflict.failure();
    return *conflict ? Result<void, NtStatus>(NtStatus::SHARING_VIOLATION) : core_.node.may_open(parent, access, share, wait);
}

// Whether what stands at the new name may be replaced. `same_file`: it is this very file.
Result<void, NtStatus> OpenFile::check_target(const vfs::Located& target, bool replace, bool& same_file, Wait* wait) {
    same_file = false;
    if (target.missing == vfs::Missing::leaf) return {};
    auto there = vfs().stat_at(target.parent, target.leaf());
    if (!there) return nt_status_from_errno(there.error());
    same_file = there->inode == stat.inode && there->device == stat.device;
    if (same_file) return {};
    if (!replace) return NtStatus::OBJECT_NAME_COLLISION;
    if (there->is_directory()) return NtStatus::ACCESS_DENIED;
    const auto existing = share_->attributes_at(target.parent, target.leaf(), *there);
    if ((existing.attributes & attribute::readonly) != 0) return NtStatus::ACCESS_DENIED;
    if (auto r = check_may_delete(*share_, target); !r) return r;
    const FileId other_id = id_of(vfs().file_id(target.parent, *there), *there);
    if (core_.is_going(other_id)) return NtStatus::DELETE_PENDING;
    if (auto r = core_.oplocks.make_way(other_id, actor(), CachingOperation::name, wait); !r) return r;
    if (auto r = core_.node.need_deletion(other_id, wait); !r) return r;
    auto opens = core_.modes.others(other_id, open_id);
    if (!opens) return opens.failure();
    return *opens > 0 ? Result<void, NtStatus>(NtStatus::ACCESS_DENIED) : Result<void, NtStatus>();
}

// From where it is to the target's directory under `wanted_leaf`, whose case may differ from what stands there.
Result<void, NtStatus> OpenFile::move_to(vfs::Located& target, std::string_view wanted_leaf, bool replace) {
    const std::string source_path(vfs::parent_of(name)), source_leaf(vfs::leaf_of(name)), leaf(wanted_leaf);
    auto source = vfs().open(source_path.c_str(), {});
    if (!source) return nt_status_from_errno(source.error());
    const bool there = target.missing == vfs::Missing::nothing;
    // Onto what is there first, which replaces it at once; then into the case that is wanted.
    const char* first = there && replace ? target.leaf() : leaf.c_str();
    auto moved = vfs().rename(*source, source_leaf.c_str(), target.parent, first, replace);
    if (moved && leaf != first) moved = vfs().rename(target.parent, first, target.parent, leaf.c_str(), true);
    if (!moved) return nt_status_from_errno(moved.error());
    return {};
}

// MS-FSA 2.1.4.2. smb.conf(5), `strict rename`: only with it others than this client count, since that takes a look at all that is open. A
// table of how much is open below each directory would make it cheap, and every open and close pay for all directories above it.
// What clients keep open only because they may (batch oplocks, handle caching) is broken and waited for: they may close it then.
Result<void, NtStatus> OpenFile::check_nothing_open_below(Wait* wait) {
    std::vector<FileId> below;
    core_.files_below(*this, below);
    if (share_->conf().strict_rename) {
        if (auto r = core_.modes.files_below(full_name(), below); !r) return r;
    }
    for (const FileId& one : below) {
        if (auto r = core_.oplocks.make_way(one, actor(), CachingOperation::name, wait); !r) return r;
        auto open = core_.modes.is_open(one);
        if (!open) return open.failure();
        if (*open) return NtStatus::ACCESS_DENIED;
    }
    return {};
}

Result<void, NtStatus> OpenFile::rename(std::string_view new_path, bool replace, Wait* wait) {
    if ((granted & access::delete_) == 0) return NtStatus::ACCESS_DENIED;
    if (new_path.starts_with(':')) return rename_stream(new_path, replace);
    if (name.empty()) return NtStatus::ACCESS_DENIED;  // the share's root
    core_.find_name(*this);
    vfs::Located& target = core_.located;
    if (auto r = find_target(new_path, target); !r) return r;
    if (auto r = check_new_directory(target, wait); !r) return r;
    if (core_.is_going(id)) return NtStatus::ACCESS_DENIED;
    if (auto r = refresh(); !r) return r;
    if (directory) {
        if (auto r = check_nothing_open_below(wait); !r) return r;
    }
    const std::string wanted_leaf(vfs::leaf_of(core_.parsed.path));
    const std::string old_name = name;
    std::string new_name = target.path.substr(0, target.leaf_offset) + wanted_leaf;
    if (new_name == name) return {};
    if (auto r = core_.oplocks.make_way(*this, CachingOperation::name, wait); !r) return r;
    bool same_file = false;
    if (auto r = check_target(target, replace, same_file, wait); !r) return r;
    if (same_file && target.path != name) {
        // Another link to the same file: rename(2) would leave both.
        const std::string source_path(vfs::parent_of(name)), source_leaf(vfs::leaf_of(name));
        auto source = vfs().open(source_path.c_str(), {});
        if (!source) return nt_status_from_errno(source.error());
        if (auto r = vfs().unlink(*source, source_leaf.c_str()); !r) return nt_status_from_errno(r.error());
        new_name = target.path;
    } else if (same_file) {
        target.missing = vfs::Missing::leaf;  // only the case changes
        if (auto r = move_to(target, wanted_leaf, true); !r) return r;
    } else if (auto r = move_to(target, wanted_leaf, replace); !r) {
        return r;
    }
    core_.directory_leases.children_changed(*share_, target.parent, target.parent_stat, this);
    if (vfs::parent_of(old_name) != vfs::parent_of(new_name)) core_.directory_leases.child_changed(*share_, old_name, this);
    target.parent = vfs::File();
    core_.renamed(*this, new_name);
    if (directory) tell_records_below(core_.modes, share_->path(), old_name, new_name);
    report_rename(old_name, target, same_file);
    return {};
}

void OpenFile::report_rename(const std::string& old_name, const vfs::Located& target, bool same_file) {
    const bool replaced = target.missing == vfs::Missing::nothing;
    if (same_file && replaced) return core_.notifier.removed(*share_, old_name, directory);  // of two links to it one has gone
    const RenameTarget was = !replaced ? RenameTarget::nothing : target.path == name ? RenameTarget::same_name : RenameTarget::other_case;
    core_.notifier.renamed(*share_, old_name, name, directory, was, target.path);
}

Result<void, NtStatus> OpenFile::link(std::string_view new_path, bool replace, Wait* wait) {
    if (directory) return NtStatus::FILE_IS_A_DIRECTORY;
    if (!stream.empty()) return NtStatus::INVALID_PARAMETER;
    if (share_->read_only()) return NtStatus::ACCESS_DENIED;
    if (core_.is_going(id)) return NtStatus::ACCESS_DENIED;
    vfs::Located& target = core_.located;
    if (auto r = find_target(new_path, target); !r) return r;
    if (auto r = check_new_directory(target, wait); !r) return r;
    if (auto r = refresh(); !r) return r;
    bool same_file = false;
    if (auto r = check_target(target, replace, same_file, wait); !r) return r;
    if (auto r = core_.oplocks.make_way(*this, CachingOperation::name, wait); !r) return r;
    if (same_file) return replace ? Result<void, NtStatus>() : Result<void, NtStatus>(NtStatus::OBJECT_NAME_COLLISION);
    if (target.missing == vfs::Missing::nothing) {
        if (auto r = vfs().unlink(target.parent, target.leaf()); !r) return nt_status_from_errno(r.error());
    }
    const std::string leaf(vfs::leaf_of(core_.parsed.path));
    auto linked = vfs().link(file, target.parent, leaf.c_str());
    core_.directory_leases.children_changed(*share_, target.parent, target.parent_stat, this);
    target.parent = vfs::File();
    if (!linked) return nt_status_from_errno(linked.error());
    report_link(target, target.path.substr(0, target.leaf_offset) + leaf);
    return {};
}

// MS-FSA 2.1.5.15.7
void OpenFile::report_link(const vfs::Located& target, const std::string& new_name) {
    const bool replaced = target.missing == vfs::Missing::nothing;
    if (replaced && target.path == new_name)
        return core_.notifier.changed(*share_, new_name, NotifyAction::modified, notify_filter::other_file);
    if (replaced) core_.notifier.removed(*share_, target.path, false);
    core_.notifier.added(*share_, new_name, false);
}

}  // namespace Atoll::fsa
