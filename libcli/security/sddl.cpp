// Security descriptors as text (MS-DTYP 2.5.1.1).
#include <fmt/format.h>

#include <iterator>

#include "libcli/security/security_descriptor.h"

namespace Atoll::security {

namespace {

struct Named {
    uint32_t value;
    const char* name;
};

constexpr Named ace_types[] = {{ace_type::access_allowed, "A"},
                               {ace_type::access_denied, "D"},
                               {ace_type::system_audit, "AU"},
                               {ace_type::access_allowed_object, "OA"},
                               {ace_type::access_denied_object, "OD"},
                               {ace_type::system_audit_object, "OU"},
                               {ace_type::access_allowed_callback, "XA"},
                               {ace_type::access_denied_callback, "XD"},
                               {ace_type::system_audit_callback, "XU"},
                               {ace_type::access_allowed_callback_object, "ZA"},
                               {ace_type::system_mandatory_label, "ML"},
                               {ace_type::system_resource_attribute, "RA"},
                               {ace_type::system_scoped_policy_id, "SP"}};
constexpr Named ace_flags[] = {
    {ace_flag::object_inherit, "OI"}, {ace_flag::container_inherit, "CI"}, {ace_flag::no_propagate_inherit, "NP"},
    {ace_flag::inherit_only, "IO"},   {ace_flag::inherited, "ID"},         {ace_flag::successful_access, "SA"},
    {ace_flag::failed_access, "FA"}};
constexpr Named rights[] = {
    {file_rights::all, "FA"}, {file_rights::generic_read, "FR"}, {file_rights::generic_write, "FW"}, {file_rights::generic_execute, "FX"}};

std::string sid_text(const Sid& sid) {
    const struct {
        const Sid& sid;
        const char* name;
    } aliases[] = {{well_known::everyone, "WD"},
                   {well_known::creator_owner, "CO"},
                   {well_known::creator_group, "CG"},
                   {well_known::owner_rights, "OW"},
                   {well_known::network, "NU"},
                   {well_known::anonymous, "AN"},
                   {well_known::authenticated_users, "AU"},
                   {well_known::system, "SY"},
                   {well_known::administrators, "BA"},
                   {well_known::users, "BU"},
                   {well_known::guests, "BG"},
                   {well_known::backup_operators, "BO"}};
    for (const auto& alias : aliases) {
        if (alias.sid == sid) return alias.name;
    }
    return to_string(sid);
}

std::string ace_text(const Ace& ace) {
    std::string type = fmt::format("{:#x}", ace.type), flags, mask = fmt::format("{:#x}", ace.mask);
    for (const Named& named : ace_types) {
        if (named.value == ace.type) type = named.name;
    }
    for (const Named& named : ace_flags) {
        if ((ace.flags & named.value) != 0) flags += named.name;
    }
    for (const Named& named : rights) {
        if (named.value == ace.mask) mask = named.name;
    }
    return fmt::format("({};{};{};{};{};{})", type, flags, mask, ace.object_type ? to_string(*ace.object_type) : "",
                       ace.inherited_object_type ? to_string(*ace.inherited_object_type) : "", sid_text(ace.sid));
}

std::string acl_text(char letter, const Acl& acl, bool is_protected, bool inheritance_required, bool auto_inherited) {
    std::string text =
        fmt::format("{}:{}{}{}", letter, is_protected ? "P" : "", inheritance_required ? "AR" : "", auto_inherited ? "AI" : "");
    for (const Ace& ace : acl.aces) text += ace_text(ace);
    return text;
}

}  // namespace

std::string to_sddl(const SecurityDescriptor& descriptor) {
    const auto has = [&](uint16_t bit) { return (descriptor.control & bit) != 0; };
    std::string text;
    if (descriptor.owner) text += "O:" + sid_text(*descriptor.owner);
    if (descriptor.group) text += "G:" + sid_text(*descriptor.group);
    if (descriptor.dacl)
        text += acl_text('D', *descriptor.dacl, has(control::dacl_protected), has(control::dacl_computed_inheritance_required),
                         has(control::dacl_auto_inherited));
    else if (has(control::dacl_present))
        text += "D:NO_ACCESS_CONTROL";
    if (descriptor.sacl)
        text += acl_text('S', *descriptor.sacl, has(control::sacl_protected), has(control::sacl_computed_inheritance_required),
                         has(control::sacl_auto_inherited));
    return text;
}

}  // namespace Atoll::security
