// The member that the view names as coordinator of the persistent databases: it puts transactions in their order, decides on each when
// all members have it on disk, and brings members to the same state under a new epoch.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>

#include "ctdb/core/locator.h"
#include "ctdb/core/persistent_store.h"

namespace Atoll::ctdb {

class PersistentCoordinator {
 public:
    PersistentCoordinator(Context& context, SlotTransport& transport, const PersistentStore& store)
        : context_(context), transport_(transport), store_(store) {}

    void view_accepted();
    void session_ended();
    void holds(Pnn from, protocol::have& have);
    void brought(Pnn from, const protocol::brought& brought);
    void submitted(Pnn from, protocol::submit& submit);
    void prepared(Pnn from, const protocol::prepared& prepared);
    void dropped(Pnn from, const protocol::dropped& dropped);

    // The epoch under which all members have the same persistent databases; 0: none.
    [[nodiscard]] Epoch persisted() const { return step_ == Step::open && !without_synced(context_.view) ? epoch_ : 0; }
    [[nodiscard]] bool collecting() const { return step_ == Step::collecting || step_ == Step::bringing; }
    [[nodiscard]] bool deciding() const;

 private:
    enum class Step { none, collecting, bringing, open };
    struct Transaction {
        Pnn from = no_node;
        TransactionId id;
        int64_t base = protocol::ANY_SEQUENCE;
        Writes writes;
        size_t bytes = 0;
    };
    struct Line {
        uint64_t seqnum = 0;  // of the last that is decided
        std::deque<Transaction> queue;
        std::optional<Transaction> active;
        std::set<Pnn> missing;  // who has not said that it has it, or has dropped it
        bool failed = false;    // some disk did not take it: it is being dropped
    };

    void compare();
    // Has the newest copies sent to a member that has these.
    void bring_up(Pnn pnn, const std::vector<holding>& has);
    [[nodiscard]] bool counts(Pnn pnn, const holding& held) const;
    [[nodiscard]] bool is_better(const holding& held, const holding& than) const;
    [[nodiscard]] bool goes_on(DatabaseId database) const { return !without_synced(context_.view) || store_.replicated(database); }
    [[nodiscard]] std::map<DatabaseId, std::pair<Pnn, holding>> winners() const;
    void open_all();
    void next(DatabaseId database, Line& line);
    void distribute(DatabaseId database, const Line& line);
    void decide(DatabaseId database, Line& line);
    void finish(DatabaseId database, Line& line, protocol::transaction_result result);
    void answer(DatabaseId database, const Line& line, const Transaction& transaction, protocol::transaction_result result);

    Context& context_;
    SlotTransport& transport_;
    const PersistentStore& store_;
    Step step_ = Step::none;
    Epoch epoch_ = 0;
    std::map<Pnn, std::vector<holding>> have_;
    std::map<Pnn, protocol::have> early_;  // under an epoch that this node has yet to hear of
    std::map<DatabaseId, std::pair<Pnn, holding>> newest_;  // and who has it
    std::set<std::pair<Pnn, DatabaseId>> behind_;
    std::map<std::pair<Pnn, DatabaseId>, Transaction> arriving_;  // whose last part has not come
    std::map<DatabaseId, Line> lines_;
};

}  // namespace Atoll::ctdb
