// Security descriptors by means of POSIX rights: reading and changing a file's owner, mode and ACLs. For the POSIX backend, and for modules
// that keep descriptors beside them.
#pragma once

#include "vfs/posix_acl.h"

namespace Atoll::vfs {

// The file's ACLs, of a mode where there is none; `defaults` is empty for a file. One or two system calls.
Result<void, int> read_posix_acls(Vfs& vfs, const File& file, const Stat& stat, PosixAcl& access, PosixAcl& defaults);
// chown as the owner and group among `parts` say; root's work once the caller has checked that the user may. EINVAL: the SID is nobody's.
Result<void, int> set_posix_owner(Vfs& vfs, const File& file, const Stat& stat, uint32_t parts, const security::SecurityDescriptor& value);
// What the DACL comes to as POSIX ACLs, as Samba maps it (docs/formats/ntacl.md). False: it names somebody whom this machine does not know,
// and nothing is to be changed.
bool posix_acls_of_descriptor(const security::SecurityDescriptor& value, const Stat& stat, security::IdMap& ids, PosixAcl& access,
                              PosixAcl& defaults);

}  // namespace Atoll::vfs
