// Security descriptors of files: who may do what by them, those of new files, reading and changing them (MS-FSA 2.1.5.1.1, 2.1.5.1.2.1,
// 2.1.5.14, 2.1.5.17). Where the share keeps no descriptors (Vfs::keeps_descriptors) the kernel decides: rights.h.
#pragma once

#include "libcli/security/security.idl.h"
#include "libcli/security/security_descriptor.h"
#include "smbd/fsa/share_root.h"

namespace Atoll::fsa {

// What the share's user is granted on a file that has a descriptor, and by the directory of its `path`: of `wanted`, what the latter could
// add is only looked for if it is missing (FILE_READ_ATTRIBUTES, DELETE). ACCESS_SYSTEM_SECURITY is among it if he has the privilege. One
// fgetxattr, and an open and another for the directory. Read-only shares and DOS attributes are not looked at.
uint32_t rights_by_descriptor(ShareRoot& share, const vfs::File& file, const vfs::Stat& stat, std::string_view path, uint32_t wanted);

// FILE_ADD_FILE or FILE_ADD_SUBDIRECTORY on the directory that a new name is to be in: ACCESS_DENIED. Nothing where the kernel decides.
Result<void, NtStatus> check_may_add(ShareRoot& share, const vfs::File& directory, const vfs::Stat& stat, bool adds_directory);

// DELETE of the file that `target` names, or FILE_DELETE_CHILD of its directory, for what replaces it (MS-FSA 2.1.5.15.12): ACCESS_DENIED.
// Nothing where the kernel decides. One fgetxattr of the directory, and an open and another of
// the file if that does not give it.
Result<void, NtStatus> check_may_delete(ShareRoot& share, const vfs::Located& target);

// SeSecurityPrivilege, which ACCESS_SYSTEM_SECURITY asks for.
bool holds_security_privilege(const ShareRoot& share);

// The descriptor that a new file below `parent` gets: what the client sent (`sent`), completed, else what the parent hands on. Nothing is
// stored where nothing is handed on. `open` is the new file; its stat is fresh.
struct NewFile {
    const vfs::File& file;
    const vfs::Stat& stat;
    const vfs::File& parent;
    const vfs::Stat& parent_stat;
    const security::SecurityDescriptor* sent = nullptr;
};
Result<void, NtStatus> give_descriptor(ShareRoot& share, const NewFile& made);
// What `give_descriptor` may refuse, looked at before anything is made.
Result<void, NtStatus> check_sent_descriptor(ShareRoot& share, const security::SecurityDescriptor* sent);

}  // namespace Atoll::fsa
