// Making what is not there (MS-FSA 2.1.5.1.1).
#include "base/log.h"
#include "base/loop/identity.h"
#include "smbd/fsa/create.h"
#include "smbd/fsa/extended_attributes.h"
#include "smbd/fsa/record_key.h"
#include "smbd/fsa/security.h"
#include "vfs/dos_attributes.h"
#include "vfs/modes.h"
#include "vfs/path.h"
#include "vfs/posix_descriptor.h"

namespace Atoll::fsa {

Result<CreateOperation::Step, NtStatus> CreateOperation::make_new() {
    const bool directory = wants_directory();
    if (core_.parsed.trailing_backslash && !directory) return NtStatus::OBJECT_NAME_INVALID;
    if (core_.located.parent.snapshot != 0) return NtStatus::MEDIA_WRITE_PROTECTED;
    if (share_.read_only()) return NtStatus::ACCESS_DENIED;
    if (directory && (params_.attributes & attribute::temporary) != 0) return NtStatus::INVALID_PARAMETER;
    if ((params_.attributes & attribute::readonly) != 0 && (params_.options & option::delete_on_close) != 0) return NtStatus::CANNOT_DELETE;
    if ((params_.desired_access & access::system_security) != 0 && !holds_security_privilege(share_)) return NtStatus::PRIVILEGE_NOT_HELD;
    if (auto r = check_sent_descriptor(share_, params_.security_descriptor); !r) return r.failure();
    if (auto r = check_may_add(share_, core_.located.parent, core_.located.parent_stat, directory); !r) return r.failure();
    if (auto r = check_extended_attributes(vfs_, params_.extended_attributes); !r) return r.failure();
    const vfs::Stat& parent = core_.located.parent_stat;
    if (core_.is_going(id_of(vfs_.file_id(core_.located.parent, parent), parent))) return NtStatus::DELETE_PENDING;

    if (params_.oplock == OplockLevel::lease && params_.lease != nullptr) {
        if (auto r = core_.oplocks.check_lease(*params_.lease, nullptr); !r) return r.failure();
    }
    open_->directory = directory;
    auto made = make_node(parent);
    if (!made) return made.error() == NtStatus::OBJECT_NAME_COLLISION ? Result<Step, NtStatus>(Step::again) : made.failure();
    return settle_new();
}

vfs::OpenHow CreateOperation::how_to_open_new() const {
    vfs::OpenHow how;
    if (open_->directory) {
        how.access = vfs::Access::read;
        how.directory = true;
        return how;
    }
    const uint32_t desired = params_.desired_access;
    how.access = (desired & access::maximum_allowed) != 0 ? vfs::Access::read_write : data_access(desired);
    if (how.access == vfs::Access::path) how.access = vfs::Access::read;  // a file cannot be made without being opened
    return how;
}

// OBJECT_NAME_COLLISION: somebody was faster.
Result<void, NtStatus> CreateOperation::make_node(const vfs::Stat& parent) {
    const auto& located = core_.located;
    const char* leaf = located.leaf();
    const auto& options = vfs_.options();
    // smb.conf(5), `inherit acls`: where the directory has a default ACL that counts, and no mode but what the masks leave.
    const bool by_default_acl = share_.conf().inherit_acls && vfs_.get_xattr(located.parent, vfs::default_acl_xattr, {}).ok();
    const mode_t mode = open_->directory ? vfs::mode_of_new_directory(options, parent, by_default_acl)
                                         : vfs::mode_of_new_file(options, params_.attributes | attribute::archive, parent, by_default_acl);
    vfs::OpenHow how = how_to_open_new();
    if (open_->directory) {
        if (auto r = vfs_.mkdir(located.parent, leaf, mode); !r) return nt_status_from_errno(r.error());
    } else {
        how.create = true;
        how.mode = mode;
    }
    auto file = vfs_.open_at(located.parent, leaf, how);
    if (!file && open_->directory && file.error() == EACCES) {  // `directory mask` without r: made, but not to be listed
        how.access = vfs::Access::path;
        file = vfs_.open_at(located.parent, leaf, how);
    }
    if (!file) return nt_status_from_errno(file.error());
    open_->file = std::move(*file);
    if (options.inherit_permissions && !by_default_acl) {
        if (auto r = vfs::inherit_posix_acl(vfs_, located.parent, open_->file, open_->directory, mode); !r)
            return nt_status_from_errno(r.error());
    }
    return {};
}

// From the moment it is there, others may open the new file, and they may be first in its record: then it is theirs, and stays. If
// something fails later it goes again, unless somebody else has it open by then.
Result<CreateOperation::Step, NtStatus> CreateOperation::settle_new() {
    auto stat = vfs_.stat(open_->file);
    if (!stat) return nt_status_from_errno(stat.error());
    open_->stat = *stat;
    // The full requested access is granted, whatever the mode of the file (MS-FSA 2.1.5.1.1).
    open_->granted = params_.desired_access & ~access::maximum_allowed;
    if ((params_.desired_access & access::maximum_allowed) != 0) open_->granted |= access::all;
    action_ = CreateAction::created;
    if (core_.node.shared()) {
        const auto granted = need_grant_of_new();
        if (!granted && granted.error() == NtStatus::SHARING_VIOLATION) return give_up_made();  // who opened it on another node has it
        if (!granted) return granted.failure();
    }
    auto step = enter_record();
    // Somebody was first in its record, and is in the way: the file is his, and is opened as one that was there.
    if (!step && step.error() == NtStatus::PENDING) return give_up_made();
    if (!step || *step == Step::again) return step;

    if (auto r = furnish(); !r) {
        leave(ShareModes::Removal::of_failed_new);
        return r.failure();
    }
    if (open_->stat.links > 0) return Step::done;
    leave();  // somebody has deleted it between our making it and the record's lock
    return Step::again;
}

CreateOperation::Step CreateOperation::give_up_made() {
    if (wait_ != nullptr) wait_->cancel();
    made_before_.reset();
    return Step::again;
}

// The node's right to have open what this create has made: asked for under the file's id, which it did not have before. Until the answer
// comes the file stands there as it was wanted.
Result<void, NtStatus> CreateOperation::need_grant_of_new() {
    open_->id = id_of(vfs_.file_id(open_->file, open_->stat), open_->stat);
    made_before_ = open_->id;
    auto granted = need_grant();
    if (granted || granted.error() != NtStatus::PENDING) return granted;
    if (auto r = furnish(); !r) log_info("fsa: {}: {}", open_->name, to_string(r.error()));  // and again when it goes on, which then fails
    wait_->note_made(open_->id);
    return granted;
}

// False: something else has that name now.
Result<bool, NtStatus> CreateOperation::open_made_before() {
    const FileId made = *made_before_;
    made_before_.reset();
    auto& located = core_.located;
    if (!share_.lookup().locate(core_.parsed.path, located) || located.missing != vfs::Missing::nothing) return false;
    open_->directory = wants_directory();
    auto file = vfs_.open_at(located.parent, located.leaf(), how_to_open_new());
    auto stat = file ? vfs_.stat(*file) : Result<vfs::Stat, int>(file.error());
    if (!stat) return false;
    if (id_of(vfs_.file_id(*file, *stat), *stat) != made) return false;
    open_->file = std::move(*file);
    open_->name = located.path;
    return true;
}

// What a new file has besides its name.
Result<void, NtStatus> CreateOperation::furnish() {
    allocate();
    // FILE_NO_COMPRESSION (MS-SMB2 2.2.13): whatever its directory hands down.
    if (open_->stat.compressed && (params_.options & option::no_compression) != 0 && vfs_.set_compressed(open_->file, false))
        open_->stat.compressed = false;
    vfs::DosAttributes value;
    value.attributes = params_.attributes & vfs::attribute::settable;
    if (!open_->directory) value.attributes |= attribute::archive;
    value.create_time = NtTime::from(open_->stat.has_birth_time ? open_->stat.birth_time : open_->stat.write_time);
    if (auto r = open_->store_attributes(value); !r) return r;
    const auto& located = core_.located;
    if (auto r = give_descriptor(share_, {open_->file, open_->stat, located.parent, located.parent_stat, params_.security_descriptor}); !r)
        return r;
    if (auto r = store_extended_attributes(vfs_, open_->file, params_.extended_attributes); !r) return r;
    return open_->refresh();
}

}  // namespace Atoll::fsa
