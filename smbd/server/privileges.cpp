#include "smbd/server/privileges.h"

#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace Atoll::server {

namespace {

constexpr uid_t overflow_uid = 65534;  // the kernel's own "nobody"

// A directory that has no name any more: nothing is in it and nothing can ever be made in it.
Result<void> enter_empty_root() {
    char path[] = "/tmp/atoll-preauth-XXXXXX";
    if (mkdtemp(path) == nullptr) return fail_errno(errno, path, "cannot make an empty directory for preauth");
    const bool inside = chdir(path) == 0;
    const int error = errno;
    rmdir(path);
    if (!inside) return fail_errno(error, path, "cannot enter the empty directory for preauth");
    if (chroot(".") != 0) return fail_errno(errno, "preauth", "cannot make an empty directory its root");
    return {};
}

Result<void> drop_capabilities() {
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; ++capability) {
        if (prctl(PR_CAPBSET_DROP, capability) != 0) return fail_errno(errno, "preauth", "cannot drop a capability");
    }
    return {};
}

Result<void> empty_capability_sets() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2] = {};
    if (syscall(SYS_capset, &header, data) != 0) return fail_errno(errno, "preauth", "cannot give up capabilities");
    return {};
}

}  // namespace

Result<void> give_up_privileges() {
    if (geteuid() == 0) {
        uid_t uid = overflow_uid;
        gid_t gid = overflow_uid;
        if (const passwd* nobody = getpwnam("nobody"); nobody != nullptr && nobody->pw_uid != 0) {
            uid = nobody->pw_uid;
            gid = nobody->pw_gid;
        }
        if (auto entered = enter_empty_root(); !entered) return entered;
        if (auto dropped = drop_capabilities(); !dropped) return dropped;
        if (setgroups(0, nullptr) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0) {
            return fail_errno(errno, "preauth", "cannot become nobody");
        }
    }
    if (auto emptied = empty_capability_sets(); !emptied) return emptied;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno(errno, "preauth", "cannot refuse new privileges");
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return fail_errno(errno, "preauth", "cannot refuse to be traced");
    return {};
}

}  // namespace Atoll::server
