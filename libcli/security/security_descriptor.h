// Security descriptors (MS-DTYP 2.4.6) and their self-relative form, which is what travels in QUERY_INFO and SET_INFO and what is stored
// beside files. Values only; nothing is locked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/guid.h"
#include "base/result.h"
#include "base/sid.h"

namespace Atoll::security {

// AceType, MS-DTYP 2.4.4.1. The reserved types (alarm, compound) are refused.
namespace ace_type {
constexpr uint8_t access_allowed = 0x00, access_denied = 0x01, system_audit = 0x02, access_allowed_object = 0x05,
                  access_denied_object = 0x06, system_audit_object = 0x07, access_allowed_callback = 0x09, access_denied_callback = 0x0A,
                  access_allowed_callback_object = 0x0B, access_denied_callback_object = 0x0C, system_audit_callback = 0x0D,
                  system_audit_callback_object = 0x0F, system_mandatory_label = 0x11, system_resource_attribute = 0x12,
                  system_scoped_policy_id = 0x13;
}

// AceFlags, MS-DTYP 2.4.4.1.
namespace ace_flag {
constexpr uint8_t object_inherit = 0x01, container_inherit = 0x02, no_propagate_inherit = 0x04, inherit_only = 0x08, inherited = 0x10,
                  successful_access = 0x40, failed_access = 0x80;
}

// Control, MS-DTYP 2.4.6.
namespace control {
constexpr uint16_t owner_defaulted = 0x0001, group_defaulted = 0x0002, dacl_present = 0x0004, dacl_defaulted = 0x0008,
                   sacl_present = 0x0010, sacl_defaulted = 0x0020, dacl_trusted = 0x0040, server_security = 0x0080,
                   dacl_computed_inheritance_required = 0x0100, sacl_computed_inheritance_required = 0x0200, dacl_auto_inherited = 0x0400,
                   sacl_auto_inherited = 0x0800, dacl_protected = 0x1000, sacl_protected = 0x2000, rm_control_valid = 0x4000,
                   self_relative = 0x8000;
}

// SECURITY_INFORMATION, MS-DTYP 2.4.7: the parts that a query or a set is about.
namespace part {
constexpr uint32_t owner = 0x1, group = 0x2, dacl = 0x4, sacl = 0x8, label = 0x10;
}

// The file rights that generic rights and POSIX bits become (MS-SMB2 2.2.13.1.1).
namespace file_rights {
constexpr uint32_t generic_read = 0x00120089, generic_write = 0x00120116, generic_execute = 0x001200A0, all = 0x001F01FF,
                   delete_child = 0x40;
}

struct Ace {
    uint8_t type = ace_type::access_allowed;
    uint8_t flags = 0;
    uint32_t mask = 0;
    std::optional<Guid> object_type;  // object ACEs only (MS-DTYP 2.4.4.3)
    std::optional<Guid> inherited_object_type;
    Sid sid;
    std::vector<uint8_t> data;  // what follows the SID: a condition, an attribute; a multiple of 4 bytes
    bool operator==(const Ace&) const = default;
};

struct Acl {
    uint8_t revision = 2;  // or 4
    std::vector<Ace> aces;
    bool operator==(const Acl&) const = default;
};

struct SecurityDescriptor {
    uint8_t resource_control = 0;  // Sbz1
    uint16_t control = 0;          // without self_relative; encode sets dacl_present and sacl_present where there is one
    std::optional<Sid> owner;
    std::optional<Sid> group;
    std::optional<Acl> sacl;
    std::optional<Acl> dacl;  // none with dacl_present: a NULL DACL, which allows everything
    bool operator==(const SecurityDescriptor&) const = default;
};

// True for types that carry object GUIDs.
bool is_object_ace(uint8_t type);
// part::sacl or part::label: what an ACE of a SACL belongs to, since each is queried and set by itself (MS-FSA 2.1.5.14.1).
uint32_t part_of_system_ace(const Ace& ace);

// Bytes of the self-relative form.
size_t encoded_size(const SecurityDescriptor& descriptor);
// Appends the self-relative form: header, owner, group, SACL, DACL. Asserts that no ACL has more than 64 KiB.
void encode(const SecurityDescriptor& descriptor, Buffer& out);
// The same inside a larger structure: offsets count from where the writer began, not from the descriptor's header.
void encode(const SecurityDescriptor& descriptor, ByteWriter& out);
// Code::invalid for what breaks MS-DTYP 2.4.6: a bad revision, parts outside the bytes, ACEs that do not fill what they claim. Bytes that
// belong to no part are ignored, parts may overlap. What an ACE has behind its last field is kept.
Result<void> decode(Bytes in, SecurityDescriptor& out);
// The same inside a larger structure, its header at `header`: offsets count from the start of `in`.
Result<void> decode_within(Bytes in, size_t header, SecurityDescriptor& out);

// Only the parts asked for (bits of `part`), as a query answers.
SecurityDescriptor select_parts(const SecurityDescriptor& descriptor, uint32_t parts);

// The descriptor of a file that has none of its own: what its POSIX owner, group and mode say. Owner, group and everyone get the rights of
// their bits (the owner always those that chmod and reading attributes need); where a class has less than one after it, as in mode 0077,
// a denying ACE says so, since Windows adds rights up.
SecurityDescriptor from_posix(const Sid& owner, const Sid& group, uint32_t mode, bool is_directory);
// S-1-22-1-uid and S-1-22-2-gid: accounts that have no SID of their own.
Sid unix_user_sid(uint32_t uid);
Sid unix_group_sid(uint32_t gid);

// SDDL (MS-DTYP 2.5.1), for logs and tools: "O:S-1-22-1-0G:...D:PAI(A;OICI;FA;;;WD)". Conditions and attributes are not spelled out.
std::string to_sddl(const SecurityDescriptor& descriptor);

}  // namespace Atoll::security
