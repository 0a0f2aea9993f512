// What a token may do with what has a security descriptor (MS-DTYP 2.5.3.2). Pure functions; they allocate nothing.
#pragma once

#include "base/nt_status.h"
#include "base/result.h"
#include "libcli/security/security.idl.h"
#include "libcli/security/security_descriptor.h"

namespace Atoll::security {

// MS-DTYP 2.4.3
namespace right {
constexpr uint32_t delete_ = 0x10000, read_control = 0x20000, write_dac = 0x40000, write_owner = 0x80000, synchronize = 0x100000,
                   system_security = 0x1000000, maximum_allowed = 0x2000000, generic_all = 0x10000000, generic_execute = 0x20000000,
                   generic_write = 0x40000000, generic_read = 0x80000000;
}

// Privileges by the bit of their LUID (MS-LSAD 3.1.1.2.1).
namespace privilege {
constexpr uint64_t security = uint64_t{1} << 8, take_ownership = uint64_t{1} << 9, backup = uint64_t{1} << 17, restore = uint64_t{1} << 18;
}

// Generic rights become the file's (MS-SMB2 2.2.13.1.1).
uint32_t map_generic_file_rights(uint32_t mask);

// MS-DTYP 2.5.3.1.1
bool has_sid(const Token& token, const Sid& sid);
inline bool has_privilege(const Token& token, uint64_t which) { return (token.privileges & which) == which; }

// Everything that the token is granted, of all 32 bits: by the DACL in the order of its ACEs, as owner (READ_CONTROL and WRITE_DAC, or what
// OWNER RIGHTS says instead), and by SeSecurityPrivilege and SeTakeOwnershipPrivilege. Without a DACL: all a file has. Rights that the DACL
// both allows and denies go to the ACE that stands first. Conditional ACEs count as MS-DTYP has it for conditions that cannot be
// evaluated: those that allow do not, those that deny do. ACEs for object types do not concern files.
uint32_t granted_access(const SecurityDescriptor& descriptor, const Token& token);

// `desired` has its generic bits mapped. What is granted: `desired`, or for MAXIMUM_ALLOWED all there is. ACCESS_DENIED if anything of
// `desired` is missing, and for MAXIMUM_ALLOWED if nothing is granted; PRIVILEGE_NOT_HELD if that is only ACCESS_SYSTEM_SECURITY.
Result<uint32_t, NtStatus> access_check(const SecurityDescriptor& descriptor, const Token& token, uint32_t desired);

}  // namespace Atoll::security
