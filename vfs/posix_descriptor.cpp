#include "vfs/posix_descriptor.h"

#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/loop/identity.h"
#include "libcli/security/access_check.h"
#include "vfs/acl_inheritance.h"
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
    bool allows = false, denies = false;
    [[nodiscard]] bool named() const { return allows || denies; }
};

// One ACL of a descriptor, by trustee.
class Collected {
 public:
    Collected(const security::SecurityDescriptor& from, const Stat& stat, security::IdMap& ids, bool for_children)
        : from_(from), stat_(stat), ids_(ids), for_children_(for_children) {}

    // False: an account that is not of this machine.
    bool take(const Ace& ace, uint8_t flags) {
        const auto who = find(ace.sid);
        if (!who) return ace.sid.count == 0 || !is_foreign_account(ace.sid);
        const bool denies = ace.type == security::ace_type::access_denied;
        const uint16_t bits = bits_of(ace.mask);
        Said& said = said_of(*who);
        if (denies) {
            if (allows_) in_order_ = false;
            said.denies = true;
            said.denied |= bits;
        } else {
            allows_ = said.allows = true;
            said.allowed |= bits;
        }
        note(*who, flags);
        return true;
    }
    [[nodiscard]] bool any() const { return owner_.named() || group_.named() || everyone_.named() || !users_.empty() || !groups_.empty(); }
    // Whether it denies everyone something, and says nothing else.
    [[nodiscard]] bool only_denies_everyone() const {
        const bool alone = !everyone_.allows && !owner_.named() && !group_.named() && users_.empty() && groups_.empty();
        return everyone_.denied == all_bits || (everyone_.denies && alone);
    }
    // Whether each denial stands before all that is allowed: else POSIX entries cannot say it.
    [[nodiscard]] bool in_order() const { return in_order_; }

    // Once all are taken: of a trustee who is denied some and allowed more, what is left counts as allowed, and nothing as denied: not to
    // others in his name either. What everyone is denied is taken from all; where that is everything, nothing else counts.
    void weigh() {
        if (everyone_.denied == all_bits) {
            users_.clear();
            groups_.clear();
            owner_ = group_ = {};
        }
        each([](Said& said) {
            if (!said.allows || !said.denies) return;
            said.allowed &= static_cast<uint16_t>(~said.denied);
            (said.allowed != 0 ? said.denies : said.allows) = false;
            if (!said.denies) said.denied = 0;
        });
        forget_empty_denials();
        each([this](Said& said) { said.allowed &= static_cast<uint16_t>(~everyone_.denied); });
        if (!for_children_) return;
        deny_creator(owner_, users_, stat_.uid);
        deny_creator(group_, groups_, stat_.gid);
    }

    // Owner and group stand twice, as the file's and by their numbers, so that they keep their rights when the file is given away.
    void write(PosixAcl& out) {
        uint16_t owner = owner_.named() ? of_user(owner_, stat_.uid) : of_unnamed_owner();
        owner = static_cast<uint16_t>(owner | (stat_.is_directory() ? all_bits : 4));  // whoever owns it can get at it
        const uint16_t group = group_.named() ? of_group(group_) : everyone_.allowed;
        std::map<uint32_t, uint16_t> users{}, groups{};
        for (const auto& [id, said] : users_) users[id] = of_user(said, id);
        for (const auto& [id, said] : groups_) groups[id] = of_group(said);
        users.try_emplace(stat_.uid, owner);
        groups.try_emplace(stat_.gid, group);
        out.clear();
        out.push_back({PosixTag::user_obj, owner, 0});
        for (const auto& [id, bits] : users) out.push_back({PosixTag::user, bits, id});
        out.push_back({PosixTag::group_obj, group, 0});
        for (const auto& [id, bits] : groups) out.push_back({PosixTag::group, bits, id});
        out.push_back({PosixTag::mask, all_bits, 0});
        out.push_back({PosixTag::other, everyone_.allowed, 0});
    }

    // First those of `acl` whom no ACE names, in Samba's order; then the ACEs' in theirs.
    void write_inheritance(const PosixAcl& acl, AclInheritance::Entries& out) const {
        out.clear();
        for (const PosixTag tag : {PosixTag::group, PosixTag::user, PosixTag::other, PosixTag::group_obj, PosixTag::user_obj}) {
            for (auto e = acl.rbegin(); e != acl.rend(); ++e) {
                if (e->tag == tag && std::none_of(noted_.begin(), noted_.end(), [&](const Noted& n) { return n.is(*e); }))
                    out.push_back(inheritance_entry(*e, stat_, 0));
            }
        }
        for (const Noted& n : noted_) out.push_back(inheritance_entry(n.who, stat_, n.flags));
    }

 private:
    static constexpr uint16_t all_bits = 7;

    struct Noted {
        PosixEntry who;
        uint8_t flags;
        [[nodiscard]] bool is(const PosixEntry& other) const { return who.tag == other.tag && who.id == other.id; }
    };
    // Of several ACEs of one trustee the last one's flags count.
    void note(const PosixEntry& who, uint8_t flags) {
        noted_.erase(std::remove_if(noted_.begin(), noted_.end(), [&](const Noted& n) { return n.is(who); }), noted_.end());
        noted_.push_back({who, flags});
    }
    static bool is_foreign_account(const Sid& sid) {
        return sid.authority == std::array<uint8_t, 6>{0, 0, 0, 0, 0, 5} && sid.sub_authorities[0] == 21;
    }
    // Without its bits.
    [[nodiscard]] std::optional<PosixEntry> find(const Sid& sid) const {
        if (sid == well_known::everyone) return PosixEntry{PosixTag::other, 0, 0};
        if (for_children_ ? sid == well_known::creator_owner : sid == from_.owner) return PosixEntry{PosixTag::user_obj, 0, 0};
        if (for_children_ ? sid == well_known::creator_group : sid == from_.group) return PosixEntry{PosixTag::group_obj, 0, 0};
        if (const auto uid = ids_.uid_of(sid))
            return !for_children_ && *uid == stat_.uid ? PosixEntry{PosixTag::user_obj, 0, 0} : PosixEntry{PosixTag::user, 0, *uid};
        if (const auto gid = ids_.gid_of(sid))
            return !for_children_ && *gid == stat_.gid ? PosixEntry{PosixTag::group_obj, 0, 0} : PosixEntry{PosixTag::group, 0, *gid};
        return std::nullopt;
    }
    Said& said_of(const PosixEntry& who) {
        switch (who.tag) {
            case PosixTag::user_obj: return owner_;
            case PosixTag::group_obj: return group_;
            case PosixTag::user: return users_[who.id];
            case PosixTag::group: return groups_[who.id];
            default: return everyone_;
        }
    }
    void forget_empty_denials() {
        const auto denies_nothing = [](const auto& entry) { return entry.second.denies && entry.second.denied == 0; };
        std::erase_if(users_, denies_nothing);
        std::erase_if(groups_, denies_nothing);
        for (Said* said : {&owner_, &group_}) {
            if (said->denied == 0) said->denies = false;
        }
    }
    // Of what a directory hands on, CREATOR OWNER and CREATOR GROUP are denied what its own owner and group are by their names.
    static void deny_creator(Said& creator, std::map<uint32_t, Said>& named, uint32_t id) {
        const auto found = named.find(id);
        if (!creator.allows || found == named.end() || !found->second.denies) return;
        creator.allowed &= static_cast<uint16_t>(~found->second.denied);
        named.erase(found);
    }
    template <class Change>
    void each(Change change) {
        for (auto& [id, said] : users_) change(said);
        for (auto& [id, said] : groups_) change(said);
        for (Said* said : {&owner_, &group_, &everyone_}) change(*said);
    }
    // To whom something is denied and nothing allowed, the rest is given that everyone has; to a user what his groups have as well.
    [[nodiscard]] uint16_t of_group(const Said& said) const {
        return said.allows ? said.allowed : static_cast<uint16_t>(everyone_.allowed & ~said.denied);
    }
    // From a user is taken what is denied to his groups, since of a user's entries POSIX looks at his own alone.
    [[nodiscard]] uint16_t of_user(const Said& said, uint32_t uid) const {
        const Said groups = of_groups(uid);
        const int allowed = said.allows ? said.allowed : everyone_.allowed | groups.allowed;
        return static_cast<uint16_t>(allowed & ~(said.denied | groups.denied));
    }
    [[nodiscard]] uint16_t of_unnamed_owner() const { return static_cast<uint16_t>((stat_.mode >> 6 & 7) | of_groups(stat_.uid).allowed); }
    // What is allowed and denied to the user's groups together.
    [[nodiscard]] Said of_groups(uint32_t uid) const {
        Said all;
        const auto add = [&](uint32_t gid, const Said& said) {
            const bool adds = (said.allowed & ~all.allowed) != 0 || (said.denied & ~all.denied) != 0;
            if (!adds || !is_member(uid, gid)) return;
            all.allowed |= said.allowed;
            if (!for_children_ || &said != &group_) all.denied |= said.denied;
        };
        add(stat_.gid, group_);
        for (const auto& [gid, said] : groups_) add(gid, said);
        return all;
    }

    const security::SecurityDescriptor& from_;
    const Stat& stat_;
    security::IdMap& ids_;
    bool for_children_;
    bool allows_ = false, in_order_ = true;
    std::vector<Noted> noted_;
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

// False: the file has none that can be read.
bool read_inheritance(Vfs& vfs, const File& file, AclInheritance& out) {
    std::vector<uint8_t> value(largest_acl);
    auto size = vfs.get_xattr(file, acl_inheritance_xattr, value);
    if (!size && size.error() == EACCES) {
        // Root: the flags are for whoever may read the descriptor, who need not be able to read the file.
        const loop::RootScope root;
        size = vfs.get_xattr(file, acl_inheritance_xattr, value);
    }
    return size && decode_acl_inheritance({value.data(), *size}, out);
}

// Where the file system has no such attributes, the ACLs have no flags.
Result<void, int> write_inheritance(Vfs& vfs, const File& file, const AclInheritance& inheritance) {
    Buffer value;
    encode_acl_inheritance(inheritance, value);
    auto written = vfs.set_xattr(file, acl_inheritance_xattr, value);
    return !written && written.error() == EOPNOTSUPP ? Result<void, int>() : written;
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
                              PosixAcl& access, PosixAcl& defaults, AclInheritance* inheritance) {
    access.clear();
    defaults.clear();
    if (!value.dacl) return true;
    constexpr uint8_t both = ace_flag::object_inherit | ace_flag::container_inherit;
    Collected own(value, stat, ids, false), children(value, stat, ids, true);
    for (const Ace& ace : value.dacl->aces) {
        if (!says_who_may(ace)) continue;
        const bool handed_on = stat.is_directory() && (ace.flags & both) == both;
        const auto own_flags = static_cast<uint8_t>(handed_on ? ace.flags & ~both : ace.flags);
        if ((ace.flags & ace_flag::inherit_only) == 0 && !own.take(ace, own_flags) && !force_unknown) return false;
        if (handed_on && !children.take(ace, ace.flags) && !force_unknown) return false;
    }
    // As Samba: such a descriptor leaves the POSIX rights as they are.
    if (!own.any() || !own.in_order() || !children.in_order()) return true;
    own.weigh();
    own.write(access);
    children.weigh();
    if (children.any() && !children.only_denies_everyone()) children.write(defaults);
    if (inheritance == nullptr) return true;
    constexpr uint16_t kept = security::control::dacl_protected | security::control::dacl_auto_inherited;
    inheritance->control =
        static_cast<uint16_t>(security::control::self_relative | security::control::dacl_present | (value.control & kept));
    own.write_inheritance(access, inheritance->access);
    children.write_inheritance(defaults, inheritance->defaults);
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
    AclInheritance inheritance;
    const bool kept = options_.map_acl_inherit && read_inheritance(*this, file, inheritance);
    const PosixRights rights{stat, access, defaults, kept ? &inheritance : nullptr};
    if (!descriptor_of_posix(rights, mapping_options(options_), *options_.ids, out)) return ENOSPC;
    return {};
}

Result<void, int> PosixVfs::set_descriptor(const File& file, const Stat& stat, uint32_t parts, const security::SecurityDescriptor& value) {
    if (auto r = set_posix_owner(*this, file, stat, parts, value); !r) return r;
    if ((parts & part::dacl) == 0) return {};
    auto now = this->stat(file);  // an owner that is new has other rights
    if (!now) return now.failure();
    PosixAcl access, defaults;
    AclInheritance inheritance;
    if (!posix_acls_of_descriptor(value, *now, *options_.ids, options_.force_unknown_acl_user, access, defaults, &inheritance) ||
        access.empty())
        return {};
    const auto write = [&]() -> Result<void, int> {
        if (auto r = write_acls(*this, file, *now, access, defaults); !r || !options_.map_acl_inherit) return r;
        return write_inheritance(*this, file, inheritance);
    };
    auto written = write();
    if (!written && (written.error() == EPERM || written.error() == EACCES)) {
        // Root: whoever may change the descriptor need not own the file; that he may was checked.
        const loop::RootScope root;
        written = write();
    }
    return written;
}

}  // namespace Atoll::vfs
