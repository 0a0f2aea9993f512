// btrfs: what the file system of that name has beside others, for clients (vfs_btrfs(8)). Shared blocks and compression are the POSIX
// backend's and there without this module too; so all that is left is to say what will not be.
#include "base/log.h"
#include "vfs/module_options.h"
#include "vfs/modules.h"

namespace Atoll::vfs {

std::unique_ptr<Vfs> make_btrfs(std::unique_ptr<Vfs> next) {
    const Options& o = next->options();
    if (!next->features().compression) log_warning("share '{}': {} is not on btrfs, so vfs module btrfs does nothing", o.share, o.path);
    for (const char* name : {"btrfs:manipulate snapshots", "btrfs: manipulate snapshots"}) {
        if (option_flag(o, name, false)) log_warning("share '{}': snapshots are not made or deleted: {} does not count", o.share, name);
    }
    return next;
}

}  // namespace Atoll::vfs
