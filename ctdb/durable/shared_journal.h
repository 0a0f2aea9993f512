// The journal of what all nodes know of the durable state (tdb/committer/journal.h): each group of batches is one transaction on the disks
// of all members (docs/cluster.md, "Durable state"). Each node's committer has one; they meet at the coordinator.
//
// - What was decided of a sender is kept in the transaction of its changes, under this node's number; so a batch that comes again after this
//   committer was killed is not made twice, as on one node.
// - Batches with conditions are judged by what ctdbd reads, and committed only if nobody has committed anything since: else judged anew.
// - It belongs to one session of the node. When that ends it is broken, and what was under way is answered to nobody: whoever asked
//   belongs to the same session, and ends too.
//
// WIPE and values of no bytes are refused, and records of more than protocol::MAX_PERSISTENT_RECORD. Main thread.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/loop/loop.h"
#include "base/result.h"
#include "ctdb/durable/common_database.h"
#include "tdb/committer/journal.h"
#include "tdb/committer/judge.h"

namespace Atoll::ctdb {

class SharedJournal final : public committer::Journal, private committer::Standing {
 public:
    // `databases`: all that batches may name. Reads what this node's last committer kept of its senders.
    static Result<std::unique_ptr<SharedJournal>> open(loop::Loop& loop, std::unique_ptr<CommonDatabase> common, Pnn node,
                                                       std::vector<std::string> databases);

    // `decided` is called later on the loop, always.
    void decide(std::span<committer::Pending> group, std::function<void()> decided) override;
    void clean() override;

 private:
    using Part = std::span<committer::Pending>;

    SharedJournal(loop::Loop& loop, std::unique_ptr<CommonDatabase> common, Pnn node, std::vector<std::string> databases);
    bool has(const std::string& database) override;
    Result<bool> look(const std::string& database, Bytes key, tdb::Parser parser) override;

    void cut(Part group);
    void next();
    Result<void> judge_part();
    void judge_one(committer::Pending& pending);
    void put(const committer::batch& request);
    void put_senders();
    void commit_part(int64_t base);
    void finished(CommonDatabase::Outcome outcome);
    void try_less(committer::outcome result, const std::string& why);
    void take_back_notes();
    void lost();

    loop::Loop& loop_;
    std::unique_ptr<CommonDatabase> common_;
    const Pnn node_;
    const std::vector<std::string> databases_;
    std::function<void()> decided_;  // of the group; null: none is here
    std::deque<Part> parts_;         // of the group, each a transaction; the first is under way
    std::map<Value, Value> writes_;  // of that one
    unsigned conflicts_ = 0;         // of that one
    bool is_noted_ = false;          // that one's replies are
    bool is_cleaning_ = false;
    bool is_lost_ = false;
    loop::Timer next_timer_;
};

}  // namespace Atoll::ctdb
