// What a committer does with the batches that have gathered: decides them and makes what they change durable. A FileJournal does so on this
// node's disk; the cluster's (ctdb/durable) on the disks of all nodes.
#pragma once

#include <functional>
#include <span>

#include "tdb/committer/senders.h"

namespace Atoll::committer {

class Journal {
 public:
    Journal() = default;
    Journal(const Journal&) = delete;
    Journal& operator=(const Journal&) = delete;
    virtual ~Journal() = default;

    // Whose states are kept with what is decided of theirs.
    [[nodiscard]] Senders& senders() { return senders_; }

    // Decides all, in their order, and calls `decided` when what the replies say is on the disk. A journal calls it always from inside this
    // call, or always later on the loop. One group at a time; it is the journal's until then. Never called if the journal is broken.
    virtual void decide(std::span<Pending> group, std::function<void()> decided) = 0;

    // Forgets the senders that have left and will not come again, and whatever else collects.
    virtual void clean() = 0;

    // Called when nothing can be decided any more until the journal is opened anew.
    std::function<void()> on_broken;

 protected:
    void tell_broken() const {
        if (on_broken) on_broken();
    }

 private:
    Senders senders_;
};

}  // namespace Atoll::committer
