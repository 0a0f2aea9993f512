#include "smbd/fsa/kernel_oplocks.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "base/loop/identity.h"
#include "smbd/fsa/core.h"

namespace Atoll::fsa {

namespace {

// One of its own: many leases may break at once, and each is queued. If there are too many the kernel sends SIGIO instead.
int lease_signal() { return SIGRTMIN + 4; }

}  // namespace

bool KernelOplocks::take(OpenFile& open, OplockLevel level) {
    if (loop_ == nullptr || open.file.path_only || open.file.stream) return false;
    if (!signals_) signals_.emplace(*loop_, std::initializer_list<int>{lease_signal(), SIGIO}, [this](int) { look(); });
    const int fd = open.file.fd.get();
    // To this thread, which alone has the signals blocked.
    const f_owner_ex owner{F_OWNER_TID, static_cast<pid_t>(::syscall(SYS_gettid))};
    // Root: a lease on somebody else's file, and signals to a process whose real user is root.
    const loop::RootScope root;
    if (::fcntl(fd, F_SETSIG, lease_signal()) != 0 || ::fcntl(fd, F_SETOWN_EX, &owner) != 0) return false;
    if (::fcntl(fd, F_SETLEASE, level == OplockLevel::ii ? F_RDLCK : F_WRLCK) != 0) return false;
    held_.push_back(&open);
    return true;
}

void KernelOplocks::release(OpenFile& open) {
    if (std::erase(held_, &open) > 0) (void)::fcntl(open.file.fd.get(), F_SETLEASE, F_UNLCK);  // a job may keep the descriptor
}

// While a lease breaks, F_GETLEASE tells what it is to become.
void KernelOplocks::look() {
    const std::vector<OpenFile*> held = held_;
    for (OpenFile* open : held) {
        const bool writes = open->oplock != OplockLevel::ii;
        if (::fcntl(open->file.fd.get(), F_GETLEASE) != (writes ? F_WRLCK : F_RDLCK)) core_.oplocks.break_for_program(*open);
    }
}

}  // namespace Atoll::fsa
