// What a file's POSIX owner, group and mode look like to a Windows client.
#include "libcli/security/security_descriptor.h"

namespace Atoll::security {

namespace {

// What chmod, chown of the group and stat need: the owner has it whatever the mode says. READ_CONTROL, WRITE_DAC, SYNCHRONIZE,
// FILE_READ_ATTRIBUTES, FILE_WRITE_ATTRIBUTES.
constexpr uint32_t owner_always = 0x00160180;

// `bits` is one class of a mode: r 4, w 2, x 1.
uint32_t rights_of(uint32_t bits, bool is_directory) {
    if (bits == 7) return file_rights::all;
    uint32_t mask = 0;
    if ((bits & 4) != 0) mask |= file_rights::generic_read;
    if ((bits & 2) != 0) mask |= file_rights::generic_write | (is_directory ? file_rights::delete_child : 0);
    if ((bits & 1) != 0) mask |= file_rights::generic_execute;
    return mask;
}

// Only what a bit stands for, without the rights that every generic right brings along: denying those would deny too much.
uint32_t denied_of(uint32_t bits, bool is_directory) {
    uint32_t mask = 0;
    if ((bits & 4) != 0) mask |= 0x1;                                                   // FILE_READ_DATA
    if ((bits & 2) != 0) mask |= 0x6 | (is_directory ? file_rights::delete_child : 0);  // FILE_WRITE_DATA, FILE_APPEND_DATA
    if ((bits & 1) != 0) mask |= 0x20;                                                  // FILE_EXECUTE
    return mask;
}

void add(Acl& acl, uint8_t type, const Sid& sid, uint32_t mask) {
    if (mask == 0) return;
    Ace ace;
    ace.type = type;
    ace.mask = mask;
    ace.sid = sid;
    acl.aces.push_back(std::move(ace));
}

}  // namespace

SecurityDescriptor from_posix(const Sid& owner, const Sid& group, uint32_t mode, bool is_directory) {
    const uint32_t user_bits = mode >> 6 & 7, group_bits = mode >> 3 & 7, other_bits = mode & 7;
    SecurityDescriptor descriptor;
    descriptor.control = control::dacl_present;
    descriptor.owner = owner;
    descriptor.group = group;
    Acl& dacl = descriptor.dacl.emplace();
    add(dacl, ace_type::access_denied, owner, denied_of((group_bits | other_bits) & ~user_bits, is_directory));
    add(dacl, ace_type::access_allowed, owner, rights_of(user_bits, is_directory) | owner_always);
    add(dacl, ace_type::access_denied, group, denied_of(other_bits & ~group_bits, is_directory));
    add(dacl, ace_type::access_allowed, group, rights_of(group_bits, is_directory));
    add(dacl, ace_type::access_allowed, well_known::everyone, rights_of(other_bits, is_directory));
    return descriptor;
}

Sid unix_user_sid(uint32_t uid) { return well_known::unix_users.with_rid(uid); }

Sid unix_group_sid(uint32_t gid) { return well_known::unix_groups.with_rid(gid); }

}  // namespace Atoll::security
