// What the calling identity may do with a file: by its security descriptor where the share keeps them, else by POSIX permissions.
#pragma once

#include "smbd/fsa/share_root.h"

namespace Atoll::fsa {

// Rights that nobody needs a permission for, once he can reach the file.
constexpr uint32_t free_access = access::read_attributes | access::synchronize;
// Rights that change something: none of them on a read-only share.
constexpr uint32_t changing_access = access::write_data | access::append_data | access::write_ea | access::delete_child |
                                     access::write_attributes | access::delete_ | access::write_dac | access::write_owner;

// GENERIC_* into the file's specific rights (MS-SMB2 2.2.13.1).
uint32_t map_generic(uint32_t desired);

// All rights of the caller; with descriptors, what its directory could add is only looked for where `wanted` has it. Of POSIX rights DELETE
// may come from the directory (`path` names the file in its share; "" the root, never deleted by name). DOS attributes are not looked at; a
// read-only share is. At most four system calls, none for root or, but for DELETE, the owner.
uint32_t rights_of(ShareRoot& share, const vfs::File& file, const vfs::Stat& stat, std::string_view path, uint32_t wanted);

// Whether the caller may remove or add names in the directory that has `path`.
bool may_change_directory_of(ShareRoot& share, std::string_view path, const vfs::Stat& stat);

}  // namespace Atoll::fsa
