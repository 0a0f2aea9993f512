#include "vfs/posix_descriptor.h"

#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <map>

#include "base/loop/identity.h"
#include "libcli/security/access_check.h"
#include "vfs/posix.h"

namespace Atoll::vfs {

namespace {

constexpr size_t largest_acl = 65536;  // XATTR_SIZE_MAX
constexpr uid_t keep_id = static_cast<uid_t>(-1);

namespace part = security::part;
namespace ace_flag = security::ace_flag;
using security::Ace;

Result<bool, int> read_acl(Vfs& vfs, const File& file, const char* name, PosixAcl& out) {
    std::array<uint8_t, 512> small;  // 63 entries
    auto size = vfs.get_xattr(file, name, small);
    if (size) return decode_posix_acl({small.data(), *size}, out) ? Result<bool, int>(true) : Result<bool, int>(EINVAL);
    if (size.error() == ENODATA || size.error() == EOPNOTSUPP) return false;
    if (size.error() != ERANGE) return size.failure();
    std::vector<uint8_t> large(largest_acl);
    size = vfs.get_xattr(file, name, large);
    if (!size) return size.failure();
    return decode_posix_acl({large.data(), *size}, out) ? Result<bool, int>(true) : Result<bool, int>(EINVAL);
}

// The bits that a mask comes to: its rights to data.
uint16_t bits_of(uint32_t mask) {
    mask = security::map_generic_file_rights(mask);
    return static_cast<uint16_t>(((mask & 0x1) != 0 ? 4 : 0) | ((mask & 0x6) != 0 ? 2 : 0) | ((mask & 0x20) != 0 ? 1 : 0));
}

// Whether the user database has the user in the group.
bool is_member(uint32_t uid, uint32_t gid) {
    std::vector<char> buffer(16384);
    passwd entry{}, *found = nullptr;
    if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) return false;
    std::vector<gid_t> groups(64);
    int count = static_cast<int>(groups.size());
    if (::getgrouplist(found->pw_name, found->pw_gid, groups.data(), &count) < 0) {
        groups.resize(static_cast<size_t>(count));
        if (::getgrouplist(found->pw_name, found->pw_gid, groups.data(), &count) < 0) return false;
    }
    return std::find(groups.begin(), groups.begin() + count, gid) != groups.begin() + count;
}

// What the ACEs of one trustee say.
struct Said {
    uint16_t allowed = 0, denied = 0;
    bool named = false;
};

// One ACL of a descriptor, by trustee.
class Collected {
 public:
    Collected(const security::SecurityDescriptor& from, const Stat& stat, security::IdMap& ids, bool for_children)
        : from_(from), stat_(stat), ids_(ids), for_children_(for_children) {}

    // False: an account that is not of this machine.
    bool take(const Ace& ace) {
        if (ace.type == security::ace_type::access_denied) denies_ = true;
        Said* said = find(ace.sid);
        if (said == nullptr) return ace.sid.count == 0 || !is_foreign_account(ace.sid);
        const uint16_t bits = bits_of(ace.mask);
        said->named = true;
        if (ace.type == security::ace_type::access_denied)
            said->denied |= static_cast<uint16_t>(bits & ~said->allowed);
        else
            said->allowed |= static_cast<uint16_t>(bits & ~said->denied);
        return true;
    }
    [[nodiscard]] bool any() const { return owner_.named || group_.named || everyone_.named || !users_.empty() || !groups_.empty(); }

    // Owner and group stand twice, as the file's and by their numbers, so that they keep their rights when the file is given away.
    void write(PosixAcl& out) {
        uint16_t owner = owner_.named ? settle(owner_) : static_cast<uint16_t>(stat_.mode >> 6 & 7);
        owner |= by_groups(stat_.uid);
        owner = static_cast<uint16_t>(owner | (stat_.is_directory() ? 7 : 4));  // whoever owns it can get at it
        const uint16_t group = group_.named ? settle(group_) : everyone_.allowed;
        users_.try_emplace(stat_.uid, Said{owner, 0, true});
        groups_.try_emplace(stat_.gid, Said{group, 0, true});
        out.clear();
        out.push_back({PosixTag::user_obj, owner, 0});
        for (const auto& [id, said] : users_) out.push_back({PosixTag::user, settle(said, by_groups(id)), id});
        out.push_back({PosixTag::group_obj, group, 0});
        for (const auto& [id, said] : groups_) out.push_back({PosixTag::group, settle(said), id});
        out.push_back({PosixTag::mask, 7, 0});
        out.push_back({PosixTag::other, everyone_.allowed, 0});
    }

 private:
    static bool is_foreign_account(const Sid& sid) {
        return sid.authority == std::array<uint8_t, 6>{0, 0, 0, 0, 0, 5} && sid.sub_authorities[0] == 21;
    }
    Said* find(const Sid& sid) {
        if (sid == well_known::everyone) return &everyone_;
        if (for_children_ ? sid == well_known::creator_owner : sid == from_.owner) return &owner_;
        if (for_children_ ? sid == well_known::creator_group : sid == from_.group) return &group_;
        if (const auto uid = ids_.uid_of(sid)) return !for_children_ && *uid == stat_.uid ? &owner_ : &users_[*uid];
        if (const auto gid = ids_.gid_of(sid)) return !for_children_ && *gid == stat_.gid ? &group_ : &groups_[*gid];
        return nullptr;
    }
    // To whom something is denied and nothing allowed, the rest is given that everyone has, and a user's groups; where anything is denied,
    // a user's entry says what his groups have too, since of his entries POSIX looks at his own alone.
    [[nodiscard]] uint16_t settle(const Said& said, uint16_t groups = 0) const {
        const int others = said.denied != 0 && said.allowed == 0 ? everyone_.allowed | groups : groups;
        return static_cast<uint16_t>(said.allowed | (others & ~said.denied));
    }
    [[nodiscard]] uint16_t by_groups(uint32_t uid) const {
        uint16_t bits = 0;
        if (!denies_ || for_children_) return bits;
        if (group_.named && (group_.allowed & ~bits) != 0 && is_member(uid, stat_.gid)) bits |= group_.allowed;
        for (const auto& [gid, said] : groups_) {
            if ((said.allowed & ~bits) != 0 && is_member(uid, gid)) bits |= said.allowed;
        }
        return bits;
    }

    const security::SecurityDescriptor& from_;
    const Stat& stat_;
    security::IdMap& ids_;
    bool for_children_;
    bool denies_ = false;
    Said owner_, group_, everyone_;
    std::map<uint32_t, Said> users_, groups_;
};

bool says_who_may(const Ace& ace) {
    return ace.type == security::ace_type::access_allowed || ace.type == security::ace_type::access_denied;
}

Result<void, int> write_acl(Vfs& vfs, const File& file, const char* name, const PosixAcl& acl) {
    Buffer value;
    encode_posix_acl(acl, value);
    return vfs.set_xattr(file, name, value);
}

mode_t mode_of_acl(const PosixAcl& acl) {
    mode_t mode = 0;
    for (const PosixEntry& e : acl) {
        if (e.tag == PosixTag::user_obj) mode |= static_cast<mode_t>(e.bits << 6);
        if (e.tag == PosixTag::group_obj) mode |= static_cast<mode_t>(e.bits << 3);
        if (e.tag == PosixTag::other) mode |= e.bits;
    }
    return mode;
}

Result<void, int> write_acls(Vfs& vfs, const File& file, const Stat& stat, const PosixAcl& access, const PosixAcl& defaults) {
    auto written = write_acl(vfs, file, access_acl_xattr, access);
    if (!written && written.error() == EOPNOTSUPP) return vfs.chmod(file, (stat.mode & 07000) | mode_of_acl(access));
    if (!written || !stat.is_directory()) return written;
    if (!defaults.empty()) return write_acl(vfs, file, default_acl_xattr, defaults);
    auto removed = vfs.remove_xattr(file, default_acl_xattr);
    return !removed && removed.error() != ENODATA ? removed : Result<void, int>();
}

}  // namespace

Result<void, int> read_posix_acls(Vfs& vfs, const File& file, const Stat& stat, PosixAcl& access, PosixAcl& defaults) {
    defaults.clear();
    auto there = read_acl(vfs, file, access_acl_xattr, access);
    if (!there) return there.failure();
    if (!*there) posix_acl_of_mode(stat.mode, access);
    if (!stat.is_directory()) return {};
    auto default_there = read_acl(vfs, file, default_acl_xattr, defaults);
    if (!default_there) return default_there.failure();
    return {};
}

Result<void, int> set_posix_owner(Vfs& vfs, const File& file, const Stat& stat, uint32_t parts, const security::SecurityDescriptor& value) {
    uid_t uid = keep_id;
    gid_t gid = keep_id;
    security::IdMap& ids = *vfs.options().ids;
    if ((parts & part::owner) != 0 && value.owner) {
        const auto found = ids.uid_of(*value.owner);
        if (!found && !vfs.options().force_unknown_acl_user) return EINVAL;
        if (found && *found != stat.uid) uid = *found;
    }
    if ((parts & part::group) != 0 && value.group) {
        const auto found = ids.gid_of(*value.group);
        if (!found && !vfs.options().force_unknown_acl_user) return EINVAL;
        if (found && *found != stat.gid) gid = *found;
    }
    if (uid == keep_id && gid == keep_id) return {};
    // Root: only root may give files away; that the user may was checked against the descriptor.
    const loop::RootScope root;
    return vfs.chown(file, uid, gid);
}

bool posix_acls_of_descriptor(const security::SecurityDescriptor& value, const Stat& stat, security::IdMap& ids, bool force_unknown,
                              PosixAcl& access, PosixAcl& defaults) {
    access.clear();
    defaults.clear();
    if (!value.dacl) return true;
    constexpr uint8_t both = ace_flag::object_inherit | ace_flag::container_inherit;
    Collected own(value, stat, ids, false), children(value, stat, ids, true);
    for (const Ace& ace : value.dacl->aces) {
        if (!says_who_may(ace)) continue;
        if ((ace.flags & ace_flag::inherit_only) == 0 && !own.take(ace) && !force_unknown) return false;
        if (stat.is_directory() && (ace.flags & both) == both && !children.take(ace) && !force_unknown) return false;
    }
    if (own.any() || children.any()) own.write(access);
    if (children.any()) children.write(defaults);
    return true;
}

Result<void, int> inherit_posix_acl(Vfs& vfs, const File& parent, const File& made, bool directory, mode_t mode) {
    PosixAcl acl;
    auto handed_on = read_acl(vfs, parent, default_acl_xattr, acl);
    if (!handed_on) return handed_on.failure();
    if (*handed_on) return directory ? vfs.chmod(made, mode) : Result<void, int>();
    auto there = read_acl(vfs, parent, access_acl_xattr, acl);
    if (!there) return there.failure();
    if (!*there) return {};
    for (PosixEntry& e : acl) {
        if (e.tag == PosixTag::user_obj) e.bits = mode >> 6 & 7;
        if (e.tag == PosixTag::group_obj) e.bits = mode >> 3 & 7;
        if (e.tag == PosixTag::other) e.bits = mode & 7;
    }
    return write_acl(vfs, made, access_acl_xattr, acl);
}

Result<void, int> PosixVfs::get_descriptor(const File& file, const Stat& stat, security::SecurityDescriptor& out) {
    PosixAcl access, defaults;
    if (auto r = read_posix_acls(*this, file, stat, access, defaults); !r) return r;
    if (!descriptor_of_posix({stat, access, defaults}, mapping_options(options_), *options_.ids, out)) return ENOSPC;
    return {};
}

Result<void, int> PosixVfs::set_descriptor(const File& file, const Stat& stat, uint32_t parts, const security::SecurityDescriptor& value) {
    if (auto r = set_posix_owner(*this, file, stat, parts, value); !r) return r;
    if ((parts & part::dacl) == 0) return {};
    auto now = this->stat(file);  // an owner that is new has other rights
    if (!now) return now.failure();
    PosixAcl access, defaults;
    if (!posix_acls_of_descriptor(value, *now, *options_.ids, options_.force_unknown_acl_user, access, defaults) || access.empty())
        return {};
    auto written = write_acls(*this, file, *now, access, defaults);
    if (!written && written.error() == EPERM) {
        // Root: whoever may change the descriptor need not own the file; that he may was checked.
        const loop::RootScope root;
        written = write_acls(*this, file, *now, access, defaults);
    }
    return written;
}

}  // namespace Atoll::vfs
