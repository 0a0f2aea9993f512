// Whose batches a committer decides: how far those of each sender have come, and what became of the ones whose answers it may not have got.
// A committer keeps that (state()) with its senders' changes and in their commit, so that the next one knows what was decided
// before. Main thread.
#pragma once

#include <sys/types.h>

#include <map>
#include <vector>

#include "base/guid.h"
#include "base/result.h"
#include "base/time.h"
#include "tdb/committer/committer.idl.h"

namespace Atoll::committer {

// The database in which they are kept; key: the sender's name.
constexpr const char* senders_database = "committer_senders";

// A batch that waits for its decision.
struct Pending {
    Guid sender;
    batch request;
    answer reply;
};

class Senders {
 public:
    enum class Known : uint8_t {
        is_new,        // the next of its sender
        decided,       // it came before
        out_of_order,  // neither: the sender is not one of ours
    };

    // One that a former committer kept. Code::corrupt: its record is not understood.
    Result<void> load(Bytes name, Bytes state);

    // A sender has come, or come again. False: its name is another's, or there are too many.
    bool enter(const Guid& sender, pid_t pid, uint64_t answered);
    // Its connection has ended, and nothing of it waits for a decision.
    void leave(const Guid& sender);
    // What is known of a batch that has arrived; `out` is the answer if it was decided before. One that is new has to be among those that
    // are decided next.
    Known recall(const Guid& sender, const batch& arrived, answer& out);

    // The reply to the next batch of its sender stands, and is part of state() from now on.
    void note(const Pending& pending);
    // It does not, after all. Of several, the last first.
    void unnote(const Pending& pending);
    [[nodiscard]] const sender_state& state(const Guid& sender) const { return all_.at(sender).state; }

    // Those that have left and will not come again.
    [[nodiscard]] std::vector<Guid> gone() const;
    void forget(const Guid& sender) { all_.erase(sender); }

 private:
    struct Sender {
        sender_state state;
        uint64_t arrived = 0;  // the number of its last batch that recall() found new
        bool is_here = false;
        Monotonic left{};
    };

    std::map<Guid, Sender> all_;
};

}  // namespace Atoll::committer
