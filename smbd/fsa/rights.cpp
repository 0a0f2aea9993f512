#include "smbd/fsa/rights.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/loop/identity.h"
#include "smbd/fsa/security.h"
#include "vfs/path.h"

namespace Atoll::fsa {

namespace {

struct Permissions {
    bool read = false, write = false, execute = false;
};

// Root's and the owner's follow from the mode, ACL or not; others' are the kernel's to say.
Permissions permissions_of(ShareRoot& share, const vfs::File& file, const vfs::Stat& stat, uid_t uid) {
    if (uid == 0) return {true, true, true};
    if (uid == stat.uid) return {(stat.mode & S_IRUSR) != 0, (stat.mode & S_IWUSR) != 0, (stat.mode & S_IXUSR) != 0};
    return {share.vfs().may(file, R_OK), share.vfs().may(file, W_OK), share.vfs().may(file, X_OK)};
}

bool is_in_group(gid_t gid) {
    const loop::Identity& identity = loop::current_identity();
    return identity.gid == gid || std::find(identity.groups.begin(), identity.groups.end(), gid) != identity.groups.end();
}

}  // namespace

uint32_t map_generic(uint32_t desired) {
    uint32_t mapped = desired & 0x0FFFFFFF;
    if ((desired & access::generic_all) != 0) mapped |= access::all;
    if ((desired & access::generic_read) != 0)
        mapped |= access::read_data | access::read_ea | access::read_attributes | access::read_control | access::synchronize;
    if ((desired & access::generic_write) != 0) {
        mapped |= access::write_data | access::append_data | access::write_ea | access::write_attributes | access::read_control |
                  access::synchronize;
    }
    if ((desired & access::generic_execute) != 0)
        mapped |= access::execute | access::read_attributes | access::read_control | access::synchronize;
    return mapped;
}

bool may_change_directory_of(ShareRoot& share, std::string_view path, const vfs::Stat& stat) {
    if (path.empty()) return false;
    const uid_t uid = loop::current_identity().uid;
    if (uid == 0) return true;
    const std::string parent_path(vfs::parent_of(path));
    auto parent = share.vfs().open(parent_path.c_str(), {});
    if (!parent || !share.vfs().may(*parent, W_OK | X_OK)) return false;
    auto parent_stat = share.vfs().stat(*parent);
    if (!parent_stat) return false;
    // A sticky directory: only owners remove (unlink(2)).
    return (parent_stat->mode & S_ISVTX) == 0 || stat.uid == uid || parent_stat->uid == uid;
}

uint32_t rights_of(ShareRoot& share, const vfs::File& file, const vfs::Stat& stat, std::string_view path, uint32_t wanted) {
    if (share.decides_by_descriptor()) {
        const uint32_t granted = rights_by_descriptor(share, file, stat, path, wanted);
        return share.read_only(file) ? granted & ~changing_access : granted;
    }
    const uid_t uid = loop::current_identity().uid;
    const Permissions p = permissions_of(share, file, stat, uid);
    uint32_t rights = free_access;
    // Who is told nothing else is not told who may do what: an entry of the mapped descriptor has READ_CONTROL with any of r, w, x.
    if (p.read || p.write || p.execute || uid == stat.uid) rights |= access::read_control;
    if (p.read) rights |= access::read_data | access::read_ea;
    if (p.write) rights |= access::write_data | access::append_data | access::write_ea | access::write_attributes | access::delete_child;
    if (p.execute) rights |= access::execute;
    if (!stat.is_directory() && p.read && share.conf().acl_allow_execute_always) rights |= access::execute;
    if (uid == 0 || uid == stat.uid) rights |= access::write_attributes | access::write_dac | access::write_owner | access::delete_;
    // smb.conf(5): who may write the file, or is in the group that owns it, may change who else may.
    if (share.conf().dos_filemode && p.write) rights |= access::write_dac;
    if (share.conf().acl_group_control && is_in_group(stat.gid)) rights |= access::write_dac;
    if ((rights & access::delete_) == 0 && !share.read_only(file) && may_change_directory_of(share, path, stat)) rights |= access::delete_;
    if (share.read_only(file)) rights &= ~changing_access;
    return rights;
}

}  // namespace Atoll::fsa
