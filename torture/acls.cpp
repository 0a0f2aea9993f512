// atoll.acls: security descriptors: what they say, how they are set, handed on and judged by.
#include "torture/descriptors.h"
#include "torture/rpc_client.h"

namespace Atoll::torture {
namespace {

using client::File;
using client::OpenOptions;
using security::Ace;
using security::SecurityDescriptor;
namespace access = smb::access_mask;
namespace control = security::control;
namespace part = security::part;
using namespace security::ace_flag;

constexpr uint32_t owner_rights_by_default = access::read_control | access::write_dac;
constexpr uint32_t everything = access::file_all_access;
const Sid stranger = *parse_sid("S-1-5-21-11-22-33-4444");

OpenOptions making(uint32_t desired, bool directory = false) {
    OpenOptions o = wanting(desired, directory ? smb::create_options::directory_file : 0);
    o.disposition = smb::CreateDisposition::create;
    return o;
}

NtStatus query_status(File& f, uint32_t parts) {
    const auto found = query_security(f, parts);
    return found ? NtStatus::SUCCESS : found.error();
}

void query_parts(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, File::open(*c->tree, t.path(*c, "f"), making(access::read_control)));
    REQUIRE(t, owner, query_security(*f, part::owner));
    CHECK(t, owner->owner && !owner->group && !owner->dacl, "the owner alone was asked for");
    REQUIRE(t, group, query_security(*f, part::group));
    CHECK(t, !group->owner && group->group && !group->dacl, "the group alone was asked for");
    REQUIRE(t, list, query_security(*f, part::dacl));
    CHECK(t, !list->owner && !list->group && list->dacl && !list->dacl->aces.empty(), "the DACL alone was asked for");
    REQUIRE(t, nothing, query_security(*f, 0));
    CHECK(t, !nothing->owner && !nothing->group && !nothing->dacl && !nothing->sacl, "nothing was asked for");
    CHECK_STATUS(t, query_status(*f, part::sacl), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    REQUIRE(t, blind, File::open(*c->tree, t.path(*c, "f"), wanting(access::file_read_data)));
    for (const uint32_t parts : {part::owner, part::group, part::dacl, part::sacl})
        CHECK_STATUS(t, query_status(*blind, parts), NtStatus::ACCESS_DENIED);
}

void buffer_too_small(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, File::open(*c->tree, t.path(*c, "f"), making(access::read_control)));
    Buffer bytes;
    CHECK_STATUS(t, f->query(smb::InfoType::security, 0, bytes, 8, part::owner | part::dacl), NtStatus::BUFFER_TOO_SMALL);
    CHECK_STATUS(t, f->query(smb::InfoType::security, 0, bytes, 0, part::owner), NtStatus::BUFFER_TOO_SMALL);
}

// In the order in which they stand, canonical or not.
void order_is_kept(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, File::open(*c->tree, t.path(*c, "f"), making(owner_rights_by_default)));
    const std::vector<Ace> aces = {allow(well_known::everyone, access::file_generic_read), deny(well_known::users, access::file_execute),
                                   allow(stranger, access::file_write_data, inherited), deny(stranger, access::file_append_data),
                                   allow(well_known::everyone, access::file_generic_read)};
    CHECK_STATUS(t, set_security(*f, part::dacl, dacl(aces)), NtStatus::SUCCESS);
    CHECK(t, dacl_text(*f) == text_of(aces), "set {}, got {}", text_of(aces), dacl_text(*f));
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    REQUIRE(t, again, File::open(*c->tree, t.path(*c, "f"), wanting(access::read_control)));
    CHECK(t, dacl_text(*again) == text_of(aces), "set {}, later {}", text_of(aces), dacl_text(*again));
}

void sets_need_rights(Test& t) {
    REQUIRE(t, c, t.client());
    const SecurityDescriptor all = dacl({allow(well_known::everyone, everything)});
    CHECK_STATUS(t, make_with(*c, t.path(*c, "f"), all), NtStatus::SUCCESS);
    const Sid me = user_sid(t, *c);
    REQUIRE(t, f, File::open(*c->tree, t.path(*c, "f"), wanting(everything & ~(access::write_dac | access::write_owner))));
    CHECK_STATUS(t, set_security(*f, part::dacl, all), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, set_security(*f, part::owner, of_owner(me)), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, set_security(*f, part::sacl, sacl({})), NtStatus::ACCESS_DENIED);
    REQUIRE(t, g, File::open(*c->tree, t.path(*c, "f"), wanting(access::write_dac | access::write_owner)));
    CHECK_STATUS(t, set_security(*g, part::dacl, all), NtStatus::SUCCESS);
    CHECK_STATUS(t, set_security(*g, part::owner, of_owner(me)), NtStatus::SUCCESS);
    CHECK_STATUS(t, set_security(*g, part::sacl, sacl({})), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, set_security(*g, part::owner, dacl({})), NtStatus::INVALID_OWNER);  // without the owner that it is about
}

void bad_descriptors(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, File::open(*c->tree, t.path(*c, "f"), making(owner_rights_by_default)));
    const std::string before = dacl_text(*f);
    Buffer bytes;
    security::encode(dacl({allow(well_known::everyone, everything)}), bytes);
    const std::vector<uint8_t> good(bytes.data(), bytes.data() + bytes.size());
    std::vector<uint8_t> revision = good, ace_size = good, cut = good;
    revision[0] = 7;
    ace_size[20 + 8 + 2] = 200;  // of the ACE, beyond the ACL
    cut.resize(24);
    for (const auto& bad : {revision, ace_size, cut}) {
        const NtStatus status = f->set(smb::InfoType::security, 0, bad, part::dacl);
        CHECK(t, is_error(status), "a malformed descriptor of {} bytes is taken", bad.size());
    }
    CHECK(t, dacl_text(*f) == before, "a refused descriptor has changed {} to {}", before, dacl_text(*f));
}

// ACCESS_SYSTEM_SECURITY comes from SeSecurityPrivilege alone.
void system_security_needs_privilege(Test& t) {
    REQUIRE(t, c, t.client());
    CHECK_STATUS(t, make_with(*c, t.path(*c, "f"), dacl({allow(well_known::everyone, everything | access::access_system_security)})),
                 NtStatus::SUCCESS);
    CHECK_STATUS_ONE_OF(t, try_open(*c, t.path(*c, "f"), access::access_system_security), NtStatus::PRIVILEGE_NOT_HELD,
                        NtStatus::ACCESS_DENIED);
    CHECK_STATUS_ONE_OF(t, try_open(*c, t.path(*c, "new"), making(access::file_read_data | access::access_system_security)),
                        NtStatus::PRIVILEGE_NOT_HELD, NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, try_open(*c, t.path(*c, "new"), access::file_read_data), NtStatus::OBJECT_NAME_NOT_FOUND);
    REQUIRE(t, f, File::open(*c->tree, t.path(*c, "f"), wanting(access::maximum_allowed)));
    CHECK_STATUS(t, query_status(*f, part::sacl), NtStatus::ACCESS_DENIED);
}

void sacl_by_privilege(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, root, client_as(t, "admin"));
    CHECK_STATUS(t, make_with(*c, t.path(*c, "d"), dacl({allow(well_known::everyone, everything, object_inherit)}), true),
                 NtStatus::SUCCESS);
    REQUIRE(t, d, File::open(*root->tree, t.path(*c, "d"), wanting(access::access_system_security | access::read_control)));
    const std::vector<Ace> audits = {audit(well_known::everyone, access::file_write_data, object_inherit | failed_access)};
    CHECK_STATUS(t, set_security(*d, part::sacl, sacl(audits)), NtStatus::SUCCESS);
    REQUIRE(t, found, query_security(*d, part::sacl));
    CHECK(t, found->sacl && text_of(found->sacl->aces) == text_of(audits) && !found->dacl, "SACL {}", security::to_sddl(*found));
    REQUIRE(t, both, query_security(*d, part::dacl | part::owner));
    CHECK(t, !both->sacl && both->dacl && both->dacl->aces.size() == 1, "without the SACL: {}", security::to_sddl(*both));
    CHECK_STATUS(t, try_open(*c, t.path(*c, "d\\f"), making(access::file_read_data)), NtStatus::SUCCESS);
    REQUIRE(t, f, File::open(*root->tree, t.path(*c, "d\\f"), wanting(access::access_system_security)));
    REQUIRE(t, handed_on, query_security(*f, part::sacl));
    CHECK(t, handed_on->sacl && handed_on->sacl->aces.size() == 1 && (handed_on->sacl->aces[0].flags & failed_access) != 0,
          "a new file inherits {}", security::to_sddl(*handed_on));
}

// The label is queried and set by itself: who may set it does not touch audit entries.
void label_apart(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, root, client_as(t, "admin"));
    CHECK_STATUS(t, make_with(*c, t.path(*c, "f"), dacl({allow(well_known::everyone, everything)})), NtStatus::SUCCESS);
    REQUIRE(t, f, File::open(*root->tree, t.path(*c, "f"), wanting(access::access_system_security | everything)));
    const std::vector<Ace> audits = {audit(well_known::everyone, access::file_write_data, failed_access)};
    CHECK_STATUS(t, set_security(*f, part::sacl, sacl(audits)), NtStatus::SUCCESS);
    Ace label = allow(*parse_sid("S-1-16-8192"), 1);
    label.type = security::ace_type::system_mandatory_label;
    REQUIRE(t, g, File::open(*c->tree, t.path(*c, "f"), wanting(access::read_control | access::write_owner)));
    CHECK_STATUS(t, set_security(*g, part::label, sacl({label})), NtStatus::SUCCESS);
    REQUIRE(t, labels, query_security(*g, part::label));
    CHECK(t, labels->sacl && labels->sacl->aces == std::vector<Ace>{label}, "the label is {}", security::to_sddl(*labels));
    REQUIRE(t, kept, query_security(*f, part::sacl));
    CHECK(t, kept->sacl && kept->sacl->aces == audits, "audit entries are {}", security::to_sddl(*kept));
}

void taking_ownership(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, other, client_as(t, "user2"));
    const Sid me = user_sid(t, *c), him = user_sid(t, *other);
    CHECK_STATUS(t, make_with(*c, t.path(*c, "f"), dacl({allow(him, access::write_owner | access::read_control)})), NtStatus::SUCCESS);
    CHECK_STATUS(t, try_open(*other, t.path(*c, "f"), access::write_dac), NtStatus::ACCESS_DENIED);
    REQUIRE(t, f, File::open(*other->tree, t.path(*c, "f"), wanting(access::write_owner | access::read_control)));
    CHECK_STATUS(t, set_security(*f, part::owner, of_owner(stranger)), NtStatus::INVALID_OWNER);
    CHECK_STATUS(t, set_security(*f, part::owner, of_owner(him)), NtStatus::SUCCESS);
    CHECK_STATUS(t, set_security(*f, part::owner, of_owner(me)), NtStatus::INVALID_OWNER);
    REQUIRE(t, now, query_security(*f, part::owner));
    CHECK(t, now->owner == him, "the owner is {}", to_string(now->owner.value_or(Sid())));
    CHECK_STATUS(t, try_open(*other, t.path(*c, "f"), access::write_dac), NtStatus::SUCCESS);  // as owner
    CHECK_STATUS(t, try_open(*c, t.path(*c, "f"), access::write_dac), NtStatus::ACCESS_DENIED);
}

void giving_ownership(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, root, client_as(t, "admin"));
    REQUIRE(t, other, client_as(t, "user2"));
    (void)t.path(*c, "");  // the directory is the first user's
    const Sid him = user_sid(t, *other);
    CHECK_STATUS(t, make_with(*c, t.path(*c, "f"), dacl({})), NtStatus::SUCCESS);
    // SeTakeOwnershipPrivilege and SeRestorePrivilege
    REQUIRE(t, f, File::open(*root->tree, t.path(*c, "f"), wanting(access::write_owner)));
    CHECK_STATUS(t, set_security(*f, part::owner, of_owner(him)), NtStatus::SUCCESS);
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    CHECK_STATUS(t, try_open(*other, t.path(*c, "f"), access::write_dac), NtStatus::SUCCESS);
}

void empty_and_null(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, other, client_as(t, "user2"));
    CHECK_STATUS(t, make_with(*c, t.path(*c, "empty"), dacl({})), NtStatus::SUCCESS);
    CHECK_STATUS(t, try_open(*c, t.path(*c, "empty"), owner_rights_by_default), NtStatus::SUCCESS);
    CHECK_STATUS(t, try_open(*c, t.path(*c, "empty"), access::file_read_data), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, try_open(*other, t.path(*c, "empty"), access::read_control), NtStatus::ACCESS_DENIED);
    SecurityDescriptor null;
    null.control = control::dacl_present;
    CHECK_STATUS(t, make_with(*c, t.path(*c, "null"), null), NtStatus::SUCCESS);
    CHECK_STATUS(t, try_open(*other, t.path(*c, "null"), everything), NtStatus::SUCCESS);
    REQUIRE(t, f, File::open(*c->tree, t.path(*c, "null"), wanting(access::read_control)));
    REQUIRE(t, found, query_security(*f, part::dacl));
    CHECK(t, (found->control & control::dacl_present) != 0 && !found->dacl, "a NULL DACL is told as {}", security::to_sddl(*found));
}

void owner_rights(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, root, client_as(t, "admin"));
    const Sid me = user_sid(t, *c);
    CHECK_STATUS(
        t,
        make_with(*c, t.path(*c, "f"), dacl({allow(well_known::owner_rights, access::file_read_data), allow(me, access::file_write_data)})),
        NtStatus::SUCCESS);
    CHECK_STATUS(t, try_open(*c, t.path(*c, "f"), access::file_read_data | access::file_write_data), NtStatus::SUCCESS);
    CHECK_STATUS(t, try_open(*c, t.path(*c, "f"), access::write_dac), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, try_open(*c, t.path(*c, "f"), access::read_control), NtStatus::ACCESS_DENIED);
    // Where it is for children only it says nothing of this one.
    CHECK_STATUS(t,
                 make_with(*c, t.path(*c, "d"),
                           dacl({allow(well_known::owner_rights, access::file_read_data, object_inherit | inherit_only)}), true),
                 NtStatus::SUCCESS);
    CHECK_STATUS(t, try_open(*c, t.path(*c, "d"), owner_rights_by_default), NtStatus::SUCCESS);
}

void first_one_counts(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, other, client_as(t, "user2"));
    (void)t.path(*c, "");  // the directory is the first user's
    const Sid him = user_sid(t, *other);
    constexpr uint32_t read = access::file_read_data;
    CHECK_STATUS(t, make_with(*c, t.path(*c, "deny"), dacl({deny(him, read), allow(well_known::everyone, everything)})), NtStatus::SUCCESS);
    CHECK_STATUS(t, try_open(*other, t.path(*c, "deny"), read), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, try_open(*other, t.path(*c, "deny"), access::file_write_data), NtStatus::SUCCESS);
    CHECK_STATUS(t, make_with(*c, t.path(*c, "allow"), dacl({allow(him, read), deny(well_known::everyone, everything)})),
                 NtStatus::SUCCESS);
    CHECK_STATUS(t, try_open(*other, t.path(*c, "allow"), read), NtStatus::SUCCESS);
    CHECK_STATUS(t, try_open(*other, t.path(*c, "allow"), read | access::file_write_data), NtStatus::ACCESS_DENIED);
    // Rights of several entries add up.
    CHECK_STATUS(
        t,
        make_with(*c, t.path(*c, "sum"), dacl({allow(him, read), allow(well_known::everyone, access::file_write_data), deny(him, read)})),
        NtStatus::SUCCESS);
    CHECK_STATUS(t, try_open(*other, t.path(*c, "sum"), read | access::file_write_data), NtStatus::SUCCESS);
    // What is for children only does not count here.
    CHECK_STATUS(t,
                 make_with(*c, t.path(*c, "io"), dacl({deny(him, everything, container_inherit | inherit_only), allow(him, read)}), true),
                 NtStatus::SUCCESS);
    CHECK_STATUS(t, try_open(*other, t.path(*c, "io"), read), NtStatus::SUCCESS);
}

void generic_rights(Test& t) {
    REQUIRE(t, c, t.client());
    const struct {
        uint32_t generic, specific;
    } rows[] = {{access::generic_read, access::file_generic_read},
                {access::generic_write, access::file_generic_write},
                {access::generic_execute, access::file_generic_execute},
                {access::generic_all, access::file_all_access}};
    for (const auto& row : rows) {
        const std::string name = t.path(*c, fmt::format("f{:x}", row.generic));
        CHECK_STATUS(t, make_with(*c, name, dacl({allow(well_known::everyone, row.generic)})), NtStatus::SUCCESS);
        REQUIRE(t, f, File::open(*c->tree, name, wanting(access::read_control | row.generic)));
        CHECK(t, dacl_text(*f) == text_of({allow(well_known::everyone, row.specific)}), "{:#x} is kept as {}", row.generic, dacl_text(*f));
        REQUIRE(t, granted, f->query<smb::FileAccessInformation>(smb::FileInformationClass::access));
        CHECK(t, granted->value == (row.specific | access::read_control), "{:#x} opens with {:#x}", row.generic, granted->value);
        CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    }
}

void maximal_access(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, other, client_as(t, "user2"));
    (void)t.path(*c, "");  // the directory is the first user's
    const Sid him = user_sid(t, *other);
    constexpr uint32_t some = access::file_read_data | access::file_write_attributes | access::file_read_attributes | access::read_control;
    CHECK_STATUS(t, make_with(*c, t.path(*c, "f"), dacl({deny(him, access::file_write_data), allow(him, some | access::file_write_data)})),
                 NtStatus::SUCCESS);
    OpenOptions o = wanting(access::maximum_allowed);
    o.contexts.query_maximal_access = true;
    REQUIRE(t, f, File::open(*other->tree, t.path(*c, "f"), o));
    REQUIRE(t, granted, f->query<smb::FileAccessInformation>(smb::FileInformationClass::access));
    CHECK(t, granted->value == some, "MAXIMUM_ALLOWED is {:#x}", granted->value);
    CHECK(t, f->contexts().maximal_access && f->contexts().maximal_access->maximal_access == some, "the maximal access is {:#x}",
          f->contexts().maximal_access ? f->contexts().maximal_access->maximal_access : 0);
    // Together with what is not granted it fails.
    CHECK_STATUS(t, try_open(*other, t.path(*c, "f"), access::maximum_allowed | access::file_write_data), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, try_open(*other, t.path(*c, "f"), access::maximum_allowed | access::file_read_data), NtStatus::SUCCESS);
}

// The table at the end of MS-DTYP 2.5.3.4.4.
void inherited_flags(Test& t) {
    REQUIRE(t, c, t.client());
    constexpr uint8_t OI = object_inherit, CI = container_inherit, NP = no_propagate_inherit, IO = inherit_only;
    const struct {
        uint8_t parent;
        int directory, file;  // -1: nothing is inherited
    } rows[] = {{OI, OI | IO, 0},     {OI | NP, -1, 0},      {CI, CI, -1},      {CI | NP, 0, -1},          {CI | OI, CI | OI, 0},
                {CI | OI | NP, 0, 0}, {OI | IO, OI | IO, 0}, {CI | IO, CI, -1}, {CI | OI | IO, CI | OI, 0}};
    // Another entry always comes along, so that the child's DACL is an inherited one.
    const Ace always = allow(well_known::everyone, everything, OI | CI);
    for (const auto& row : rows) {
        const std::string d = t.path(*c, fmt::format("d{}", row.parent));
        CHECK_STATUS(t, make_with(*c, d, dacl({allow(stranger, access::file_read_data, row.parent), always}), true), NtStatus::SUCCESS);
        for (const bool directory : {false, true}) {
            const int flags = directory ? row.directory : row.file;
            std::vector<Ace> expected;
            if (flags >= 0) expected.push_back(allow(stranger, access::file_read_data, static_cast<uint8_t>(flags)));
            expected.push_back(allow(well_known::everyone, everything, directory ? OI | CI : 0));
            REQUIRE(t, child, File::open(*c->tree, d + (directory ? "\\d" : "\\f"), making(access::read_control, directory)));
            CHECK(t, dacl_text(*child) == text_of(expected), "of {} a {} inherits {}, not {}", row.parent, directory ? "directory" : "file",
                  dacl_text(*child), text_of(expected));
            CHECK_STATUS(t, child->close(), NtStatus::SUCCESS);
        }
    }
}

void creators(Test& t) {
    REQUIRE(t, c, t.client());
    const Sid me = user_sid(t, *c);
    const uint8_t both = object_inherit | container_inherit;
    CHECK_STATUS(t,
                 make_with(*c, t.path(*c, "d"),
                           dacl({allow(well_known::creator_owner, access::file_read_data, both | inherit_only),
                                 allow(well_known::creator_group, access::file_write_data, both | inherit_only),
                                 allow(well_known::everyone, everything, both)}),
                           true),
                 NtStatus::SUCCESS);
    REQUIRE(t, f, File::open(*c->tree, t.path(*c, "d\\f"), making(access::read_control)));
    REQUIRE(t, its, query_security(*f, part::group));
    CHECK(t, its->group, "a new file has no group");
    const Sid group = *its->group;
    const std::vector<Ace> of_file = {allow(me, access::file_read_data), allow(group, access::file_write_data),
                                      allow(well_known::everyone, everything)};
    CHECK(t, dacl_text(*f) == text_of(of_file), "a file inherits {}, not {}", dacl_text(*f), text_of(of_file));
    REQUIRE(t, d, File::open(*c->tree, t.path(*c, "d\\d"), making(access::read_control, true)));
    const std::vector<Ace> of_directory = {
        allow(me, access::file_read_data), allow(well_known::creator_owner, access::file_read_data, both | inherit_only),
        allow(group, access::file_write_data), allow(well_known::creator_group, access::file_write_data, both | inherit_only),
        allow(well_known::everyone, everything, both)};
    CHECK(t, dacl_text(*d) == text_of(of_directory), "a directory inherits {}, not {}", dacl_text(*d), text_of(of_directory));
}

constexpr uint16_t required = control::dacl_computed_inheritance_required, automatic = control::dacl_auto_inherited;

void auto_inherited(Test& t) {
    REQUIRE(t, c, t.client());
    const std::vector<Ace> aces = {allow(well_known::everyone, everything, object_inherit | container_inherit)};
    REQUIRE(t, d, File::open(*c->tree, t.path(*c, "d"), making(owner_rights_by_default, true)));
    CHECK_STATUS(t, set_security(*d, part::dacl, dacl(aces, automatic)), NtStatus::SUCCESS);
    REQUIRE(t, without, query_security(*d, part::dacl));
    CHECK(t, (without->control & automatic) == 0, "the DACL is auto-inherited without the request for it: {:#x}", without->control);
    CHECK_STATUS(t, set_security(*d, part::dacl, dacl(aces, automatic | required)), NtStatus::SUCCESS);
    REQUIRE(t, with, query_security(*d, part::dacl));
    CHECK(t, (with->control & automatic) != 0 && (with->control & required) == 0, "the control bits are {:#x}", with->control);
    // Its children are marked.
    REQUIRE(t, f, File::open(*c->tree, t.path(*c, "d\\f"), making(access::read_control)));
    REQUIRE(t, of_file, query_security(*f, part::dacl));
    CHECK(t, (of_file->control & automatic) != 0, "a new file's control bits are {:#x}", of_file->control);
    CHECK(t, text_of(of_file->dacl->aces) == text_of({allow(well_known::everyone, everything, inherited)}), "a new file inherits {}",
          text_of(of_file->dacl->aces));
}

void is_protected(Test& t) {
    REQUIRE(t, c, t.client());
    const std::vector<Ace> aces = {allow(well_known::everyone, everything)};
    REQUIRE(t, f, File::open(*c->tree, t.path(*c, "f"), making(owner_rights_by_default)));
    CHECK_STATUS(t, set_security(*f, part::dacl, dacl(aces, control::dacl_protected)), NtStatus::SUCCESS);
    REQUIRE(t, with, query_security(*f, part::dacl));
    CHECK(t, (with->control & control::dacl_protected) != 0, "the control bits are {:#x}", with->control);
    CHECK_STATUS(t, set_security(*f, part::dacl, dacl(aces)), NtStatus::SUCCESS);
    REQUIRE(t, without, query_security(*f, part::dacl));
    CHECK(t, (without->control & control::dacl_protected) == 0, "the control bits are {:#x}", without->control);
}

void sent_with_create(Test& t) {
    REQUIRE(t, c, t.client());
    const Sid me = user_sid(t, *c);
    CHECK_STATUS(t, make_with(*c, t.path(*c, "d"), dacl({allow(well_known::everyone, everything, object_inherit)}), true),
                 NtStatus::SUCCESS);
    const auto make = [&](const char* name, const SecurityDescriptor& sent) {
        Buffer bytes;
        security::encode(sent, bytes);
        OpenOptions o = making(access::read_control);
        o.contexts.security_descriptor = bytes.bytes();
        return File::open(*c->tree, t.path(*c, name), o);
    };
    const std::vector<Ace> mine = {allow(me, access::file_generic_read), allow(well_known::system, everything)};
    REQUIRE(t, f, make("d\\f", dacl(mine)));
    CHECK(t, dacl_text(*f) == text_of(mine), "sent {}, got {}", text_of(mine), dacl_text(*f));
    // Without a DACL it is the directory that gives one.
    REQUIRE(t, g, make("d\\g", of_owner(me)));
    CHECK(t, dacl_text(*g) == text_of({allow(well_known::everyone, everything)}), "with an owner alone: {}", dacl_text(*g));
    const auto refused = make("d\\h", of_owner(stranger));
    CHECK(t, !refused && refused.error() == NtStatus::INVALID_OWNER, "a stranger as owner: {}",
          to_string(refused ? NtStatus::SUCCESS : refused.error()));
    CHECK_STATUS(t, try_open(*c, t.path(*c, "d\\h"), access::read_control), NtStatus::OBJECT_NAME_NOT_FOUND);
}

// `hide unreadable`: names of what one may not read are not listed, and open as what one may not.
void access_based_enumeration(Test& t) {
    REQUIRE(t, c, client_as(t, "user1", "hideunread"));
    REQUIRE(t, other, client_as(t, "user2", "hideunread"));
    const std::string directory = t.name + "_abe";
    (void)client::remove_tree(*c->tree, directory);
    CHECK_STATUS(t, client::make_directory(*c->tree, directory), NtStatus::SUCCESS);
    CHECK(t, (c->tree->response().share_flags & smb::share_flags::access_based_directory_enum) != 0, "the share's flags are {:#x}",
          c->tree->response().share_flags);
    const auto all = allow(well_known::everyone, everything);
    CHECK_STATUS(t, make_with(*c, directory + "\\seen", dacl({all})), NtStatus::SUCCESS);
    CHECK_STATUS(t, make_with(*c, directory + "\\hidden", dacl({allow(well_known::owner_rights, everything)})), NtStatus::SUCCESS);
    CHECK_STATUS(t, make_with(*c, directory + "\\hidden_d", dacl({allow(well_known::owner_rights, everything)}), true), NtStatus::SUCCESS);
    const auto names = [&](Client& who) {
        std::string found;
        auto d = File::open(*who.tree, directory, wanting(access::file_generic_read));
        if (!d) return to_string(d.error());
        const auto list = d->list();
        if (!list) return to_string(list.error());
        for (const char* name : {"seen", "hidden", "hidden_d"}) {
            for (const auto& item : *list) found += item.name == name ? std::string(name) + " " : "";
        }
        return found;
    };
    CHECK(t, names(*c) == "seen hidden hidden_d ", "the owner sees {}", names(*c));
    CHECK(t, names(*other) == "seen ", "the other sees {}", names(*other));
    CHECK_STATUS(t, try_open(*other, directory + "\\hidden", access::file_read_data), NtStatus::ACCESS_DENIED);
    (void)client::remove_tree(*c->tree, directory);
}

// A share that does not let the caller in is not shown to him.
void access_based_share_enum(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    auto pipe = client::Pipe::open(ipc->tree, "srvsvc");
    CHECK(t, pipe.ok(), "srvsvc is not there");
    client::RpcClient rpc(*pipe);
    CHECK_STATUS(t, rpc.bind(srvsvc_syntax()), NtStatus::SUCCESS);
    srvsvc::NetrShareEnum::In in;
    in.InfoStruct.Level = 1;
    in.InfoStruct.ShareInfo.make_Level1().emplace();
    in.PreferedMaximumLength = UINT32_MAX;
    REQUIRE(t, out, call<srvsvc::NetrShareEnum>(rpc, in));
    bool shown = false, closed = false;
    const auto& list = out->InfoStruct.ShareInfo.Level1()->Buffer;
    CHECK(t, list, "NetrShareEnum gives {}", out->result);
    for (const auto& share : *list) {
        shown |= share.shi1_netname == t.target.share;
        closed |= share.shi1_netname == "closed";
    }
    CHECK(t, shown && !closed, "the share is {}, and the closed one is {}", shown ? "shown" : "missing", closed ? "shown" : "not");
}

constexpr TestCase tests[] = {
    {"query_parts", "MS-FSA 2.1.5.14", query_parts},
    {"buffer_too_small", "MS-SMB2 3.3.5.20.3", buffer_too_small},
    {"order_is_kept", "MS-DTYP 2.4.5, MS-FSA 2.1.5.17", order_is_kept},
    {"sets_need_rights", "MS-FSA 2.1.5.17", sets_need_rights},
    {"bad_descriptors", "MS-DTYP 2.4.6", bad_descriptors},
    {"system_security_needs_privilege", "MS-DTYP 2.5.3.2, MS-FSA 2.1.5.1.1", system_security_needs_privilege},
    {"sacl_by_privilege", "MS-FSA 2.1.5.14, 2.1.5.17, MS-DTYP 2.5.3.4", sacl_by_privilege},
    {"label_apart", "MS-FSA 2.1.5.14.1, 2.1.5.17", label_apart},
    {"taking_ownership", "MS-FSA 2.1.5.17, MS-DTYP 2.5.3.2", taking_ownership},
    {"giving_ownership", "MS-FSA 2.1.5.17, MS-DTYP 2.5.3.2", giving_ownership},
    {"empty_and_null", "MS-DTYP 2.5.3.2", empty_and_null},
    {"owner_rights", "MS-DTYP 2.5.3.2", owner_rights},
    {"first_one_counts", "MS-DTYP 2.5.3.2", first_one_counts},
    {"generic_rights", "MS-DTYP 2.5.3.4.7, MS-SMB2 2.2.13.1.1", generic_rights},
    {"maximal_access", "MS-FSA 2.1.5.1.2.1, MS-SMB2 3.3.5.9.5", maximal_access},
    {"inherited_flags", "MS-DTYP 2.5.3.4.4", inherited_flags},
    {"creators", "MS-DTYP 2.5.3.4.4", creators},
    {"auto_inherited", "MS-DTYP 2.4.6, 2.5.3.4.3", auto_inherited},
    {"protected", "MS-DTYP 2.4.6", is_protected},
    {"sent_with_create", "MS-SMB2 3.3.5.9.2, MS-DTYP 2.5.3.4", sent_with_create},
    {"access_based_enumeration", "MS-SRVS 2.2.4.29, MS-SMB2 2.2.10", access_based_enumeration},
    {"access_based_share_enum", "MS-SRVS 3.1.4.8", access_based_share_enum},
};

}  // namespace

const Suite acls_suite{"atoll.acls", tests};

}  // namespace Atoll::torture
