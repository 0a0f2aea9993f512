// `kernel oplocks = yes`: an oplock holds against programs on this machine too. It is then a lease of the Linux kernel on the open's file
// (fcntl(2), F_SETLEASE), which is taken before the oplock is granted: a program that opens the file, or truncates it, waits until the
// client has acknowledged the break, or until the kernel's own patience ends (/proc/sys/fs/lease-break-time).
//
// Such an oplock comes down to nothing at once, never to level II: the kernel has no read lease on a file that is open for writing.
// A stream has no file of its own that programs could open; its oplocks are as they are without the kernel. Main thread only.
#pragma once

#include <optional>
#include <vector>

#include "base/loop/loop.h"
#include "base/loop/signals.h"
#include "smbd/fsa/caching.h"

namespace Atoll::fsa {

class Core;
class OpenFile;

class KernelOplocks {
 public:
    // `loop` null: none is ever taken.
    KernelOplocks(Core& core, loop::Loop* loop) : core_(core), loop_(loop) {}

    // False: somebody else has the file open, for writing if `level` is II, or the file system has no leases.
    bool take(OpenFile& open, OplockLevel level);
    // The open has given its oplock up, or closes. Without effect if it has none of the kernel's.
    void release(OpenFile& open);

 private:
    void look();

    Core& core_;
    loop::Loop* loop_;
    std::optional<loop::Signals> signals_;
    std::vector<OpenFile*> held_;
};

}  // namespace Atoll::fsa
