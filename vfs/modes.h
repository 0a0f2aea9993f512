// The permission bits of what a client creates: create mask and its family, `inherit permissions`.
#pragma once

#include "vfs/vfs.h"

namespace Atoll::vfs {

// `attributes`: the DOS attributes asked for (READONLY removes write bits; archive, hidden and system map to x bits as the options say).
// `parent` is read for `inherit permissions` only. `by_default_acl`: the directory has a default ACL, which `inherit acls` lets count; the
// mode is then what the masks leave of 0777, and `inherit permissions` does not matter.
mode_t mode_of_new_file(const Options& options, uint32_t attributes, const Stat& parent, bool by_default_acl = false);
mode_t mode_of_new_directory(const Options& options, const Stat& parent, bool by_default_acl = false);

}  // namespace Atoll::vfs
