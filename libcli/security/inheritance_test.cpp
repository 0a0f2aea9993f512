#include "libcli/security/inheritance.h"

#include <gtest/gtest.h>

#include "libcli/security/access_check.h"

namespace Atoll::security {
namespace {

using namespace ace_flag;

const Sid owner = *parse_sid("S-1-5-21-1-2-3-1000"), group = *parse_sid("S-1-5-21-1-2-3-513");

Ace allow(const Sid& sid, uint32_t mask, uint8_t flags) {
    Ace a;
    a.sid = sid;
    a.mask = mask;
    a.flags = flags;
    return a;
}

SecurityDescriptor parent(std::vector<Ace> aces, uint16_t bits = 0) {
    SecurityDescriptor d;
    d.control = control::dacl_present | bits;
    d.owner = d.group = well_known::administrators;
    d.dacl = Acl{2, std::move(aces)};
    return d;
}

std::vector<std::pair<uint8_t, Sid>> child(const SecurityDescriptor& of, bool directory) {
    SecurityDescriptor out;
    EXPECT_TRUE(inherit(of, owner, group, directory, out));
    EXPECT_EQ(out.owner, owner);
    EXPECT_EQ(out.group, group);
    std::vector<std::pair<uint8_t, Sid>> flags;
    for (const Ace& ace : out.dacl->aces) flags.emplace_back(ace.flags, ace.sid);
    return flags;
}

using Flags = std::vector<std::pair<uint8_t, Sid>>;

// The table at the end of MS-DTYP 2.5.3.4.4.
TEST(Inheritance, EveryCombinationOfFlags) {
    const Sid& sid = well_known::users;
    struct Row {
        uint8_t parent;
        std::vector<uint8_t> directory, file;
    };
    constexpr uint8_t OI = object_inherit, CI = container_inherit, NP = no_propagate_inherit, IO = inherit_only;
    const Row rows[] = {{0, {}, {}},
                        {IO, {}, {}},
                        {OI, {OI | IO}, {0}},
                        {OI | NP, {}, {0}},
                        {CI, {CI}, {}},
                        {CI | NP, {0}, {}},
                        {CI | OI, {CI | OI}, {0}},
                        {CI | OI | NP, {0}, {0}},
                        {OI | IO, {OI | IO}, {0}},
                        {CI | IO, {CI}, {}},
                        {CI | OI | IO, {CI | OI}, {0}}};
    for (const Row& row : rows) {
        for (const bool directory : {true, false}) {
            Flags expected;
            for (const uint8_t f : directory ? row.directory : row.file) expected.emplace_back(f, sid);
            const auto from = parent({allow(sid, 1, row.parent)});
            EXPECT_EQ(child(from, directory), expected) << int{row.parent} << directory;
            EXPECT_EQ(has_inheritable_aces(from.dacl, directory), !expected.empty());
        }
    }
}

TEST(Inheritance, CreatorsBecomeOwnerAndGroup) {
    const auto from = parent({allow(well_known::creator_owner, 1, object_inherit | container_inherit | inherit_only),
                              allow(well_known::creator_group, 2, container_inherit)});
    EXPECT_EQ(child(from, false), (Flags{{0, owner}}));
    EXPECT_EQ(child(from, true), (Flags{{0, owner},
                                        {object_inherit | container_inherit | inherit_only, well_known::creator_owner},
                                        {0, group},
                                        {container_inherit | inherit_only, well_known::creator_group}}));
}

TEST(Inheritance, GenericRightsAreMappedForTheChildOnly) {
    SecurityDescriptor out;
    ASSERT_TRUE(inherit(parent({allow(well_known::users, right::generic_read, container_inherit)}), owner, group, true, out));
    ASSERT_EQ(out.dacl->aces.size(), 2u);
    EXPECT_EQ(out.dacl->aces[0].mask, file_rights::generic_read);
    EXPECT_EQ(out.dacl->aces[1].mask, right::generic_read);
}

TEST(Inheritance, AutoInheritedParentsMarkTheirChildren) {
    SecurityDescriptor out;
    ASSERT_TRUE(
        inherit(parent({allow(well_known::users, 1, object_inherit | inherited)}, control::dacl_auto_inherited | control::dacl_protected),
                owner, group, false, out));
    EXPECT_EQ(out.control, control::dacl_present | control::dacl_auto_inherited);
    EXPECT_EQ(out.dacl->aces[0].flags, inherited);
    ASSERT_TRUE(inherit(parent({allow(well_known::users, 1, object_inherit | inherited)}), owner, group, false, out));
    EXPECT_EQ(out.control, control::dacl_present);
    EXPECT_EQ(out.dacl->aces[0].flags, 0);
}

TEST(Inheritance, AuditAcesTo) {
    auto from = parent({allow(well_known::users, 1, object_inherit)});
    Ace audit = allow(well_known::everyone, 1, object_inherit | failed_access);
    audit.type = ace_type::system_audit;
    from.control |= control::sacl_present;
    from.sacl = Acl{2, {audit}};
    SecurityDescriptor out;
    ASSERT_TRUE(inherit(from, owner, group, false, out));
    ASSERT_TRUE(out.sacl.has_value());
    EXPECT_EQ(out.sacl->aces[0].flags, failed_access);
}

TEST(Inheritance, NoMoreThanAnAclHolds) {
    const std::vector<Ace> many(2000, allow(well_known::creator_owner, 1, container_inherit));
    SecurityDescriptor out;
    EXPECT_FALSE(inherit(parent(many), owner, group, true, out));
}

TEST(ReplaceParts, OnlyWhatIsNamed) {
    SecurityDescriptor d = parent({allow(well_known::users, 1, 0)}, control::dacl_protected);
    SecurityDescriptor value = parent({allow(well_known::everyone, 2, 0)}, control::dacl_auto_inherited);
    value.owner = owner;
    replace_parts(d, part::owner, value, AutoInherited::when_required);
    EXPECT_EQ(d.owner, owner);
    EXPECT_EQ(d.dacl->aces[0].sid, well_known::users);
    EXPECT_EQ(d.control, control::dacl_present | control::dacl_protected);
    replace_parts(d, part::dacl, value, AutoInherited::when_required);
    EXPECT_EQ(d.control, control::dacl_present);  // AUTO_INHERITED was not asked for
    value.control |= control::dacl_computed_inheritance_required;
    replace_parts(d, part::dacl, value, AutoInherited::when_required);
    EXPECT_EQ(d.control, control::dacl_present | control::dacl_auto_inherited);
    value.control = control::dacl_present | control::dacl_auto_inherited;
    replace_parts(d, part::dacl, value, AutoInherited::as_sent);
    EXPECT_EQ(d.control, control::dacl_present | control::dacl_auto_inherited);
    value.dacl->aces[0].mask = right::generic_read | right::delete_;
    replace_parts(d, part::dacl, value, AutoInherited::as_sent);
    EXPECT_EQ(d.dacl->aces[0].mask, file_rights::generic_read | right::delete_);
    value.dacl.reset();
    replace_parts(d, part::dacl, value, AutoInherited::when_required);
    EXPECT_FALSE(d.dacl.has_value());
    EXPECT_EQ(d.control, control::dacl_present);
}

// MS-FSA 2.1.5.14.1: the label is no part of what SACL_SECURITY_INFORMATION is about, nor audit entries of what LABEL_ is.
TEST(ReplaceParts, AuditEntriesAndLabelApart) {
    Ace audit = allow(well_known::everyone, 1, failed_access), label = allow(*parse_sid("S-1-16-8192"), 1, 0);
    audit.type = ace_type::system_audit;
    label.type = ace_type::system_mandatory_label;
    SecurityDescriptor d = parent({}), value = parent({});
    value.sacl = Acl{2, {audit, label}};
    replace_parts(d, part::label, value, AutoInherited::as_sent);
    ASSERT_TRUE(d.sacl.has_value());
    EXPECT_EQ(d.sacl->aces, std::vector<Ace>{label});
    replace_parts(d, part::sacl, value, AutoInherited::as_sent);
    EXPECT_EQ(d.sacl->aces, (std::vector<Ace>{audit, label}));
    EXPECT_EQ(select_parts(d, part::sacl).sacl->aces, std::vector<Ace>{audit});
    EXPECT_EQ(select_parts(d, part::label).sacl->aces, std::vector<Ace>{label});
    value.sacl.reset();
    replace_parts(d, part::label, value, AutoInherited::as_sent);
    EXPECT_EQ(d.sacl->aces, std::vector<Ace>{audit});
    replace_parts(d, part::sacl, value, AutoInherited::as_sent);
    EXPECT_FALSE(d.sacl.has_value());
    EXPECT_EQ(d.control & control::sacl_present, 0);
}

}  // namespace
}  // namespace Atoll::security
