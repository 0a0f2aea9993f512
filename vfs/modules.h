// The modules that `vfs objects` may name: one file each, one line in connect.cpp.
#pragma once

#include <memory>

#include "vfs/vfs.h"

namespace Atoll::vfs {

std::unique_ptr<Vfs> make_btrfs(std::unique_ptr<Vfs> next);
std::unique_ptr<Vfs> make_catia(std::unique_ptr<Vfs> next);
std::unique_ptr<Vfs> make_readonly(std::unique_ptr<Vfs> next);
std::unique_ptr<Vfs> make_recycle(std::unique_ptr<Vfs> next);
std::unique_ptr<Vfs> make_acl_xattr(std::unique_ptr<Vfs> next);
// What acl_xattr forces upon the options of a share that has it.
void prepare_acl_xattr(Options& options);

std::unique_ptr<Vfs> make_streams_xattr(std::unique_ptr<Vfs> next);
std::unique_ptr<Vfs> make_full_audit(std::unique_ptr<Vfs> next);
// What is wrong with its options: a name that is no operation. The share is then not available (vfs_full_audit(8)).
Result<void> check_full_audit(const Options& options);
std::unique_ptr<Vfs> make_shadow_copy2(std::unique_ptr<Vfs> next);

}  // namespace Atoll::vfs
