// A way to hear from the kernel of changes in directories: what LocalChanges is made of.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "base/loop/loop.h"
#include "smbd/fsa/notifier.h"

namespace Atoll::fsa {

struct ChangeSourceParams {
    loop::Loop& loop;
    Notifier& notifier;  // what happens is reported there
    std::function<std::set<uint64_t>()> own_processes;
};

// Main thread only.
class ChangeSource {
 public:
    virtual ~ChangeSource() = default;
    // From the return on, changes of the directory are seen; with `tree`, of all below it too. May be called again with another `tree`.
    // False: not by this source; the directory is as before.
    virtual bool watch(const std::string& path, bool tree) = 0;
    // Nothing if it is not watched.
    virtual void unwatch(const std::string& path) = 0;
    // Looks at all that has happened until now.
    virtual void take_queued() = 0;
    // The pid is no more one of ours.
    virtual void process_ended(uint64_t pid) = 0;
    // One of our processes reports this change itself.
    virtual void own_change(std::string_view path, NotifyAction action) {
        (void)path;
        (void)action;
    }
};

// Null: the kernel does not let us.
std::unique_ptr<ChangeSource> make_fanotify(const ChangeSourceParams& params);
std::unique_ptr<ChangeSource> make_inotify(const ChangeSourceParams& params);

}  // namespace Atoll::fsa
