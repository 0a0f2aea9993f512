// Quotas that programs keep: `get quota command` and `set quota command` of smb.conf.
#pragma once

#include "vfs/quota.h"
#include "vfs/vfs.h"

namespace Atoll::fsa {

// The programs run in `root`, which must outlive this, with "." for the directory; in the arguments and columns that smb.conf(5) names,
// with the types that Debian's smbd gives: 2 and a uid for a user, 1 and -1 for what users without limits of their own have. Without
// `set` nothing can be set (EOPNOTSUPP). Users are those of the user database, at most limits::max_command_users.
std::unique_ptr<vfs::Quotas> command_quotas(const vfs::File& root, std::string get, std::string set);

}  // namespace Atoll::fsa
