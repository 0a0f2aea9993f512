#include "smbd/fsa/security.h"

#include "base/loop/identity.h"
#include "libcli/security/access_check.h"
#include "libcli/security/inheritance.h"
#include "smbd/fsa/core.h"
#include "smbd/fsa/rights.h"
#include "vfs/path.h"

namespace Atoll::fsa {

namespace {

namespace part = security::part;
using security::SecurityDescriptor;

constexpr uint32_t owner_parts = part::owner | part::group | part::label;

// Root, which includes `admin users`, may do everything that a descriptor is about.
bool is_root() { return loop::current_identity().uid == 0; }

uint32_t granted_to(ShareRoot& share, const vfs::File& file, const vfs::Stat& stat) {
    const security::Token& token = *share.token();
    uint32_t privileged = security::has_privilege(token, security::privilege::security) ? access::system_security : 0;
    if (is_root()) return access::all | privileged;
    SecurityDescriptor& descriptor = share.descriptor_scratch();
    if (!share.vfs().get_descriptor(file, stat, descriptor)) return privileged;
    return security::granted_access(descriptor, token);
}

NtStatus status_of_set(int error) { return error == EINVAL ? NtStatus::INVALID_OWNER : nt_status_from_errno(error); }

// MS-FSA 2.1.5.17: a SID that the user may make an owner: his own, one of a group of his, or with SeRestorePrivilege anyone's.
bool may_become_owner(const ShareRoot& share, const Sid& owner) {
    if (is_root() || share.token() == nullptr) return true;
    return security::has_sid(*share.token(), owner) || security::has_privilege(*share.token(), security::privilege::restore);
}

// A group of this machine becomes the file's to the kernel too, which lets nobody but root give a file to a group that he is not in.
bool may_become_group(const ShareRoot& share, security::IdMap& ids, const Sid& group) {
    return may_become_owner(share, group) || !ids.gid_of(group);
}

security::AutoInherited auto_inherited_mode(const conf::ShareConf& conf) {
    return conf.acl_flag_inherited_canonicalization ? security::AutoInherited::when_required : security::AutoInherited::as_sent;
}

}  // namespace

uint32_t rights_by_descriptor(ShareRoot& share, const vfs::File& file, const vfs::Stat& stat, std::string_view path, uint32_t wanted) {
    uint32_t granted = granted_to(share, file, stat);
    if (!stat.is_directory() && (granted & access::read_data) != 0 && share.conf().acl_allow_execute_always) granted |= access::execute;
    // MS-FSA 2.1.5.1.2.1: who may list the directory may see a file's attributes, who may delete its children may delete this one.
    constexpr uint32_t from_directory = access::read_attributes | access::delete_;
    if (path.empty() || (wanted & from_directory & ~granted) == 0) return granted;
    const std::string parent_path(vfs::parent_of(path));
    auto parent = share.vfs().open(parent_path.c_str(), {});
    if (!parent) return granted;
    auto parent_stat = share.vfs().stat(*parent);
    if (!parent_stat) return granted;
    const uint32_t there = granted_to(share, *parent, *parent_stat);
    if ((there & access::list_directory) != 0) granted |= access::read_attributes;
    if ((there & access::delete_child) != 0) granted |= access::delete_;
    return granted;
}

Result<void, NtStatus> check_may_add(ShareRoot& share, const vfs::File& directory, const vfs::Stat& stat, bool adds_directory) {
    if (!share.decides_by_descriptor()) return {};
    const uint32_t needed = adds_directory ? access::add_subdirectory : access::add_file;
    if ((granted_to(share, directory, stat) & needed) == 0) return NtStatus::ACCESS_DENIED;
    return {};
}

Result<void, NtStatus> check_may_delete(ShareRoot& share, const vfs::Located& target) {
    if (!share.decides_by_descriptor() || is_root()) return {};
    if ((granted_to(share, target.parent, target.parent_stat) & access::delete_child) != 0) return {};
    vfs::OpenHow how;
    how.no_follow = true;
    auto file = share.vfs().open_at(target.parent, target.leaf(), how);
    if (!file) return nt_status_from_errno(file.error());
    auto stat = share.vfs().stat(*file);
    if (!stat) return nt_status_from_errno(stat.error());
    return (granted_to(share, *file, *stat) & access::delete_) != 0 ? Result<void, NtStatus>()
                                                                    : Result<void, NtStatus>(NtStatus::ACCESS_DENIED);
}

bool holds_security_privilege(const ShareRoot& share) {
    return share.token() != nullptr && security::has_privilege(*share.token(), security::privilege::security);
}

Result<void, NtStatus> check_sent_descriptor(ShareRoot& share, const SecurityDescriptor* sent) {
    if (sent == nullptr || !share.conf().nt_acl_support) return {};
    if (sent->owner && !may_become_owner(share, *sent->owner)) return NtStatus::INVALID_OWNER;
    if (sent->group && !may_become_group(share, *share.vfs().options().ids, *sent->group)) return NtStatus::INVALID_OWNER;
    if (sent->sacl && !holds_security_privilege(share)) return NtStatus::PRIVILEGE_NOT_HELD;
    return {};
}

namespace {

// What the new file inherits into `own`, and which parts these are: owner and group are the user's, or smb.conf's `inherit owner`'s.
Result<uint32_t, NtStatus> inherit_descriptor(ShareRoot& share, const NewFile& made, SecurityDescriptor& own) {
    SecurityDescriptor& parent = share.descriptor_scratch();
    if (auto r = share.vfs().get_descriptor(made.parent, made.parent_stat, parent); !r) return nt_status_from_errno(r.error());
    const bool directory = made.stat.is_directory();
    const bool of_dacl = security::has_inheritable_aces(parent.dacl, directory);
    if (!of_dacl && !security::has_inheritable_aces(parent.sacl, directory)) return uint32_t{0};
    const security::Token& token = *share.token();
    const bool from_parent = share.conf().inherit_owner == conf::InheritOwner::windows_and_unix && parent.owner;
    const Sid owner = from_parent ? *parent.owner : token.user_sid;
    const Sid group = token.group_sids.empty() ? security::unix_group_sid(made.stat.gid) : token.group_sids.front();
    if (!security::inherit(parent, owner, group, directory, own)) return NtStatus::INVALID_ACL;
    const uint32_t audit = own.sacl ? part::sacl : 0;
    if (of_dacl) return part::dacl | audit;
    // Audit entries alone: who may do what stays as it would be without.
    if (auto r = share.vfs().get_descriptor(made.file, made.stat, parent); !r) return nt_status_from_errno(r.error());
    own.dacl = parent.dacl;
    return audit;
}

uint32_t parts_sent(const SecurityDescriptor& sent) {
    uint32_t parts = (sent.owner ? part::owner : 0) | (sent.group ? part::group : 0) | (sent.sacl ? part::sacl : 0);
    if ((sent.control & security::control::dacl_present) != 0) parts |= part::dacl;
    return parts;
}

}  // namespace

// MS-DTYP 2.5.3.4: what the client sends goes before what the directory hands on.
Result<void, NtStatus> give_descriptor(ShareRoot& share, const NewFile& made) {
    if (share.conf().inherit_owner != conf::InheritOwner::no && made.parent_stat.uid != made.stat.uid) {
        const loop::RootScope root;  // only root may give files away, and smb.conf says so
        (void)share.vfs().chown(made.file, made.parent_stat.uid, static_cast<gid_t>(-1)).ok();
    }
    if (!share.conf().nt_acl_support) return {};
    SecurityDescriptor& own = share.new_descriptor_scratch();
    uint32_t parts = 0;
    if (share.vfs().keeps_descriptors() && share.token() != nullptr) {
        auto inherited = inherit_descriptor(share, made, own);
        if (!inherited) return inherited.failure();
        parts = *inherited;
    }
    if (made.sent != nullptr) {
        if (parts == 0) {
            if (auto r = share.vfs().get_descriptor(made.file, made.stat, own); !r) return nt_status_from_errno(r.error());
        }
        security::replace_parts(own, parts_sent(*made.sent), *made.sent, auto_inherited_mode(share.conf()));
        parts |= parts_sent(*made.sent);
    }
    if (parts == 0) return {};
    if (auto r = share.vfs().set_descriptor(made.file, made.stat, parts, own); !r) return status_of_set(r.error());
    return {};
}

// MS-FSA 2.1.5.14
Result<void, NtStatus> OpenFile::query_security(uint32_t parts, SecurityDescriptor& out) {
    if ((parts & (owner_parts | part::dacl)) != 0 && (granted & access::read_control) == 0) return NtStatus::ACCESS_DENIED;
    if ((parts & part::sacl) != 0 && (granted & access::system_security) == 0) return NtStatus::ACCESS_DENIED;
    if (!share_->conf().nt_acl_support) {  // smb.conf(5), "nt acl support": nothing is told, but that everyone owns it, as Samba has it
        out = {};
        if ((parts & part::owner) != 0) out.owner = well_known::everyone;
        if ((parts & part::group) != 0) out.group = well_known::everyone;
        return {};
    }
    auto now = vfs().stat(file);
    if (!now) return nt_status_from_errno(now.error());
    SecurityDescriptor& whole = share_->descriptor_scratch();
    if (auto r = vfs().get_descriptor(file, *now, whole); !r) return nt_status_from_errno(r.error());
    out = security::select_parts(whole, parts);
    return {};
}

// MS-FSA 2.1.5.17
Result<void, NtStatus> OpenFile::set_security(uint32_t parts, const SecurityDescriptor& value) {
    if ((parts & owner_parts) != 0 && (granted & access::write_owner) == 0) return NtStatus::ACCESS_DENIED;
    if ((parts & part::dacl) != 0 && (granted & access::write_dac) == 0) return NtStatus::ACCESS_DENIED;
    if ((parts & part::sacl) != 0 && (granted & access::system_security) == 0) return NtStatus::ACCESS_DENIED;
    if (share_->read_only()) return NtStatus::ACCESS_DENIED;
    if (!share_->conf().nt_acl_support) return {};
    if ((parts & part::owner) != 0 && !value.owner) return NtStatus::INVALID_OWNER;
    auto now = vfs().stat(file);
    if (!now) return nt_status_from_errno(now.error());
    SecurityDescriptor& whole = share_->descriptor_scratch();
    if (auto r = vfs().get_descriptor(file, *now, whole); !r) return nt_status_from_errno(r.error());
    if ((parts & part::owner) != 0 && whole.owner != value.owner && !may_become_owner(*share_, *value.owner))
        return NtStatus::INVALID_OWNER;
    if ((parts & part::group) != 0 && value.group && whole.group != value.group &&
        !may_become_group(*share_, *vfs().options().ids, *value.group))
        return NtStatus::INVALID_OWNER;
    security::replace_parts(whole, parts, value, auto_inherited_mode(share_->conf()));
    if (auto r = vfs().set_descriptor(file, *now, parts, whole); !r) return status_of_set(r.error());
    report(NotifyAction::modified, notify_filter::security);
    return refresh();
}

}  // namespace Atoll::fsa
