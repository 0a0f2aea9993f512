#include "libcli/security/access_check.h"

#include <algorithm>

namespace Atoll::security {

namespace {

enum class Effect : uint8_t { none, allow, deny };

// What an ACE of this type does to a file. Audit and label ACEs do not belong into a DACL and do nothing there.
Effect effect_of(const Ace& ace) {
    switch (ace.type) {
        case ace_type::access_allowed: return Effect::allow;
        case ace_type::access_denied:
        case ace_type::access_denied_callback: return Effect::deny;
        // Without a type an object ACE is about the object itself.
        case ace_type::access_allowed_object: return ace.object_type ? Effect::none : Effect::allow;
        case ace_type::access_denied_object: return ace.object_type ? Effect::none : Effect::deny;
        default: return Effect::none;
    }
}

bool names_owner_rights(const Acl& dacl) {
    return std::any_of(dacl.aces.begin(), dacl.aces.end(), [](const Ace& ace) {
        return (ace.flags & ace_flag::inherit_only) == 0 && effect_of(ace) != Effect::none && ace.sid == well_known::owner_rights;
    });
}

uint32_t granted_by_dacl(const Acl& dacl, const Token& token, bool is_owner) {
    uint32_t granted = 0, denied = 0;
    if (is_owner && !names_owner_rights(dacl)) granted = right::read_control | right::write_dac;
    for (const Ace& ace : dacl.aces) {
        if ((ace.flags & ace_flag::inherit_only) != 0) continue;
        const Effect effect = effect_of(ace);
        if (effect == Effect::none) continue;
        if (ace.sid == well_known::owner_rights ? !is_owner : !has_sid(token, ace.sid)) continue;
        const uint32_t mask = map_generic_file_rights(ace.mask);
        if (effect == Effect::allow)
            granted |= mask & ~denied;
        else
            denied |= mask & ~granted;
    }
    return granted;
}

}  // namespace

uint32_t map_generic_file_rights(uint32_t mask) {
    uint32_t mapped = mask & 0x0FFFFFFF;
    if ((mask & right::generic_all) != 0) mapped |= file_rights::all;
    if ((mask & right::generic_read) != 0) mapped |= file_rights::generic_read;
    if ((mask & right::generic_write) != 0) mapped |= file_rights::generic_write;
    if ((mask & right::generic_execute) != 0) mapped |= file_rights::generic_execute;
    return mapped;
}

bool has_sid(const Token& token, const Sid& sid) {
    return token.user_sid == sid || std::find(token.group_sids.begin(), token.group_sids.end(), sid) != token.group_sids.end();
}

uint32_t granted_access(const SecurityDescriptor& descriptor, const Token& token) {
    // ACCESS_SYSTEM_SECURITY comes from the privilege alone, whatever an ACE says.
    uint32_t granted = file_rights::all;
    if (descriptor.dacl) {
        const bool is_owner = descriptor.owner && has_sid(token, *descriptor.owner);
        granted = granted_by_dacl(*descriptor.dacl, token, is_owner) & ~right::system_security;
    }
    if (has_privilege(token, privilege::security)) granted |= right::system_security;
    if (has_privilege(token, privilege::take_ownership)) granted |= right::write_owner;
    return granted;
}

Result<uint32_t, NtStatus> access_check(const SecurityDescriptor& descriptor, const Token& token, uint32_t desired) {
    const uint32_t granted = granted_access(descriptor, token);
    const bool maximum = (desired & right::maximum_allowed) != 0;
    desired &= ~right::maximum_allowed;
    const uint32_t missing = desired & ~granted;
    if (missing == right::system_security) return NtStatus::PRIVILEGE_NOT_HELD;
    if (missing != 0) return NtStatus::ACCESS_DENIED;
    if (!maximum) return desired;
    // What only a privilege gives is given to who asks for it by name.
    const uint32_t all = (granted & ~right::system_security) | desired;
    if (all == 0) return NtStatus::ACCESS_DENIED;
    return all;
}

}  // namespace Atoll::security
