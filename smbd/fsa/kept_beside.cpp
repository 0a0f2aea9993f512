#include "smbd/fsa/kept_beside.h"

#include "base/loop/identity.h"

namespace Atoll::fsa {

namespace {

template <class Change>
Result<void, NtStatus> change(Change&& once) {
    Result<void, int> done = once();
    if (!done && (done.error() == EACCES || done.error() == EPERM)) {
        const loop::RootScope root;
        done = once();
    }
    if (done || done.error() == ENODATA) return {};
    return done.error() == EOPNOTSUPP ? NtStatus::VOLUME_NOT_UPGRADED : nt_status_from_errno(done.error());
}

}  // namespace

Result<void, NtStatus> set_beside(vfs::Vfs& vfs, const vfs::File& file, const char* name, Bytes value) {
    return change([&] { return vfs.set_xattr(file, name, value); });
}

Result<void, NtStatus> remove_beside(vfs::Vfs& vfs, const vfs::File& file, const char* name) {
    return change([&] { return vfs.remove_xattr(file, name); });
}

}  // namespace Atoll::fsa
