#include "libcli/security/inheritance.h"

#include <algorithm>

#include "libcli/security/access_check.h"

namespace Atoll::security {

namespace {

constexpr uint8_t inherit_flags =
    ace_flag::object_inherit | ace_flag::container_inherit | ace_flag::no_propagate_inherit | ace_flag::inherit_only;

bool has(const Ace& ace, uint8_t flag) { return (ace.flags & flag) != 0; }

// Whether the child itself is what the ACE will be about.
bool effective_on(const Ace& ace, bool child_is_directory) {
    return has(ace, child_is_directory ? ace_flag::container_inherit : ace_flag::object_inherit);
}

// Whether the child hands the ACE on.
bool handed_on(const Ace& ace, bool child_is_directory) {
    return child_is_directory && !has(ace, ace_flag::no_propagate_inherit) &&
           (ace.flags & (ace_flag::object_inherit | ace_flag::container_inherit)) != 0;
}

class Inheriting {
 public:
    Inheriting(Acl& out, const Sid& owner, const Sid& group, bool directory, bool automatic)
        : out_(out), owner_(owner), group_(group), directory_(directory), mark_(automatic ? ace_flag::inherited : uint8_t{0}) {}

    // MS-DTYP 2.5.3.4.4 with the table at its end: two ACEs only where the one for the child is not the one for its children.
    void take(const Ace& ace) {
        const bool effective = effective_on(ace, directory_), on = handed_on(ace, directory_);
        const Sid& trustee = ace.sid == well_known::creator_owner ? owner_ : ace.sid == well_known::creator_group ? group_ : ace.sid;
        const uint32_t mask = map_generic_file_rights(ace.mask);
        const bool differs = trustee != ace.sid || mask != ace.mask;
        const auto flags_on = static_cast<uint8_t>(
            (ace.flags & (inherit_flags | ace_flag::successful_access | ace_flag::failed_access) & ~ace_flag::inherit_only) | mark_);
        const auto flags_own = static_cast<uint8_t>((ace.flags & (ace_flag::successful_access | ace_flag::failed_access)) | mark_);
        if (effective && on && !differs) return add(ace, ace.sid, ace.mask, flags_on);
        if (effective) add(ace, trustee, mask, flags_own);
        if (on) add(ace, ace.sid, ace.mask, static_cast<uint8_t>(flags_on | ace_flag::inherit_only));
    }

 private:
    void add(const Ace& from, const Sid& sid, uint32_t mask, uint8_t flags) {
        Ace& ace = out_.aces.emplace_back(from);
        ace.sid = sid;
        ace.mask = mask;
        ace.flags = flags;
    }

    Acl& out_;
    const Sid& owner_;
    const Sid& group_;
    bool directory_;
    uint8_t mark_;
};

void inherit_acl(const Acl& parent, const Sid& owner, const Sid& group, bool directory, bool automatic, std::optional<Acl>& out) {
    if (!out) out.emplace();
    out->aces.clear();
    out->revision = 2;
    Inheriting inheriting(*out, owner, group, directory, automatic);
    for (const Ace& ace : parent.aces) {
        if (is_object_ace(ace.type)) out->revision = 4;
        inheriting.take(ace);
    }
}

constexpr uint16_t dacl_bits = control::dacl_present | control::dacl_defaulted | control::dacl_trusted |
                               control::dacl_computed_inheritance_required | control::dacl_auto_inherited | control::dacl_protected;
constexpr uint16_t sacl_bits = control::sacl_present | control::sacl_defaulted | control::sacl_computed_inheritance_required |
                               control::sacl_auto_inherited | control::sacl_protected;

// The control bits of one ACL as they are kept.
uint16_t kept_bits(uint16_t sent, uint16_t all, uint16_t required, uint16_t automatic, AutoInherited mode) {
    uint16_t bits = sent & all;
    if (mode == AutoInherited::when_required && (bits & required) == 0) bits = static_cast<uint16_t>(bits & ~automatic);
    return static_cast<uint16_t>(bits & ~required);
}

// What is kept of an ACL: generic rights become the file's, as PostProcessACL has it (MS-DTYP 2.5.3.4.7).
std::optional<Acl> mapped(const std::optional<Acl>& sent) {
    std::optional<Acl> acl = sent;
    if (acl) {
        for (Ace& ace : acl->aces) ace.mask = map_generic_file_rights(ace.mask);
    }
    return acl;
}

// Audit entries and the label are set each by itself: whoever may set the one leaves the other as it is.
void replace_system_aces(std::optional<Acl>& acl, uint32_t parts, std::optional<Acl> sent) {
    if (acl) {
        std::erase_if(acl->aces, [&](const Ace& ace) { return (parts & part_of_system_ace(ace)) != 0; });
        if (acl->aces.empty()) acl.reset();
    }
    if (!sent) return;
    std::erase_if(sent->aces, [&](const Ace& ace) { return (parts & part_of_system_ace(ace)) == 0; });
    if (acl) sent->aces.insert(sent->aces.end(), acl->aces.begin(), acl->aces.end());
    acl = std::move(sent);
}

}  // namespace

bool has_inheritable_aces(const std::optional<Acl>& acl, bool child_is_directory) {
    return acl && std::any_of(acl->aces.begin(), acl->aces.end(),
                              [&](const Ace& ace) { return effective_on(ace, child_is_directory) || handed_on(ace, child_is_directory); });
}

bool inherit(const SecurityDescriptor& parent, const Sid& owner, const Sid& group, bool child_is_directory, SecurityDescriptor& out) {
    out.resource_control = 0;
    out.control = control::dacl_present;
    out.owner = owner;
    out.group = group;
    out.sacl.reset();
    const bool automatic = (parent.control & control::dacl_auto_inherited) != 0;
    if (automatic) out.control |= control::dacl_auto_inherited;
    static const Acl none;
    inherit_acl(parent.dacl ? *parent.dacl : none, owner, group, child_is_directory, automatic, out.dacl);
    if (has_inheritable_aces(parent.sacl, child_is_directory)) {
        const bool sacl_automatic = (parent.control & control::sacl_auto_inherited) != 0;
        out.control |= static_cast<uint16_t>(control::sacl_present | (sacl_automatic ? control::sacl_auto_inherited : 0));
        inherit_acl(*parent.sacl, owner, group, child_is_directory, sacl_automatic, out.sacl);
    }
    return encoded_size(out) <= UINT16_MAX;
}

void replace_parts(SecurityDescriptor& descriptor, uint32_t parts, const SecurityDescriptor& value, AutoInherited mode) {
    const auto take = [&](uint16_t all, uint16_t bits) { descriptor.control = static_cast<uint16_t>((descriptor.control & ~all) | bits); };
    if ((parts & part::owner) != 0 && value.owner) {
        descriptor.owner = value.owner;
        take(control::owner_defaulted, value.control & control::owner_defaulted);
    }
    if ((parts & part::group) != 0 && value.group) {
        descriptor.group = value.group;
        take(control::group_defaulted, value.control & control::group_defaulted);
    }
    if ((parts & part::dacl) != 0) {
        descriptor.dacl = mapped(value.dacl);
        take(dacl_bits, static_cast<uint16_t>(kept_bits(value.control, dacl_bits, control::dacl_computed_inheritance_required,
                                                        control::dacl_auto_inherited, mode) |
                                              control::dacl_present));
    }
    if ((parts & (part::sacl | part::label)) != 0) {
        replace_system_aces(descriptor.sacl, parts, mapped(value.sacl));
        const uint16_t present = descriptor.sacl ? control::sacl_present : uint16_t{0};
        if ((parts & part::sacl) == 0) return take(control::sacl_present, present);
        take(sacl_bits, static_cast<uint16_t>(kept_bits(value.control, sacl_bits, control::sacl_computed_inheritance_required,
                                                        control::sacl_auto_inherited, mode) |
                                              present));
    }
}

}  // namespace Atoll::security
