#include "smbd/fsa/directory_leases.h"

#include "base/log.h"
#include "base/loop/identity.h"
#include "smbd/fsa/open_file.h"
#include "smbd/fsa/record_key.h"
#include "vfs/path.h"

namespace Atoll::fsa {

void DirectoryLeases::children_changed(ShareRoot& share, const vfs::File& directory, const vfs::Stat& stat, const OpenFile* through) {
    if (!oplocks_.has_leases() && !node_.shared()) return;
    const FileId id = id_of(share.vfs().file_id(directory, stat), stat);
    node_.children_changed(id);
    if (!oplocks_.has_leases()) return;
    Actor actor;
    if (through != nullptr) {
        actor = through->actor();
        actor.lease = through->parent_lease ? &*through->parent_lease : nullptr;
    }
    const auto broken = oplocks_.make_way(id, actor, CachingOperation::child, nullptr);
    if (!broken) log_error("fsa: leases on a directory of share {} are not broken: {}", share.name(), to_string(broken.error()));
}

void DirectoryLeases::child_changed(ShareRoot& share, std::string_view name, const OpenFile* through) {
    if ((!oplocks_.has_leases() && !node_.shared()) || name.empty()) return;
    path_.assign(vfs::parent_of(name));
    auto& vfs = share.vfs();
    auto directory = vfs.open(path_.c_str(), {});
    if (!directory && directory.error() == EACCES) {
        // Root: who has a file open may change it, whatever has become of the rights on its directories since.
        const loop::RootScope root;
        directory = vfs.open(path_.c_str(), {});
    }
    const auto stat = directory ? vfs.stat(*directory) : Result<vfs::Stat, int>(directory.error());
    if (!stat) return log_info("fsa: the directory of {} is not found: errno {}", name, stat.error());
    children_changed(share, *directory, *stat, through);
}

}  // namespace Atoll::fsa
