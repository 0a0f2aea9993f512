// Security descriptors by means of POSIX rights: reading and changing a file's owner, mode and ACLs. For the POSIX backend, and for modules
// that keep descriptors beside them.
#pragma once

#include "vfs/posix_acl.h"

namespace Atoll::vfs {

// The file's ACLs, of a mode where there is none; `defaults` is empty for a file. One or two system calls.
Result<void, int> read_posix_acls(Vfs& vfs, const File& file, const Stat& stat, PosixAcl& access, PosixAcl& defaults);
// chown as the owner and group among `parts` say; root's work once the caller has checked that the user may. EINVAL: the SID is nobody's.
Result<void, int> set_posix_owner(Vfs& vfs, const File& file, const Stat& stat, uint32_t parts, const security::SecurityDescriptor& value);
// What the DACL comes to as POSIX ACLs, as Samba maps it (docs/formats/ntacl.md). Accounts that this machine does not know are left out,
// with `force_unknown`; else False: nothing is to be changed. With denying entries, asks the user database who is in which group.
// `inheritance`, where wanted, is what they lose.
bool posix_acls_of_descriptor(const security::SecurityDescriptor& value, const Stat& stat, security::IdMap& ids, bool force_unknown,
                              PosixAcl& access, PosixAcl& defaults, AclInheritance* inheritance = nullptr);
// smb.conf(5), `inherit permissions`: what is new gets the access ACL of its directory, with owner, group and others as its own mode has
// them. Where the directory has none nothing changes, and where it has a default ACL a directory gets `mode` whole.
Result<void, int> inherit_posix_acl(Vfs& vfs, const File& parent, const File& made, bool directory, mode_t mode);

}  // namespace Atoll::vfs
