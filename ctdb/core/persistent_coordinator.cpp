#include "ctdb/core/persistent_coordinator.h"

#include <algorithm>

#include "ctdb/core/limits.h"
#include "ctdb/core/persistent_submitter.h"

namespace Atoll::ctdb {

using protocol::transaction_result;

bool PersistentCoordinator::deciding() const {
    for (const auto& [database, line] : lines_) {
        if (line.active) return true;
    }
    return false;
}

void PersistentCoordinator::view_accepted() {
    const protocol::persistence& persistent = context_.view.persistent;
    if (persistent.epoch == epoch_) return;
    session_ended();
    epoch_ = persistent.epoch;
    if (coordinator_of(context_.view) != context_.config.me) return;
    step_ = Step::collecting;
    for (auto& [from, have] : std::exchange(early_, {})) {
        if (have.epoch == epoch_) holds(from, have);
    }
}

void PersistentCoordinator::session_ended() {
    step_ = Step::none;
    epoch_ = 0;
    have_.clear();
    newest_.clear();
    behind_.clear();
    arriving_.clear();
    lines_.clear();
}

void PersistentCoordinator::holds(Pnn from, protocol::have& have) {
    if (have.epoch > epoch_) {
        context_.took(Transition::persistent_early);
        early_[from] = std::move(have);
        return;
    }
    if (step_ == Step::bringing && have.epoch == epoch_) return bring_up(from, have.holdings);
    if (step_ != Step::collecting || have.epoch != epoch_) {
        context_.took(Transition::persistent_stale);
        return;
    }
    have_[from] = std::move(have.holdings);
    for (const protocol::member& member : context_.view.members) {
        if (!have_.contains(member.pnn)) return;
    }
    compare();
}

// Of a persistent database what stands on a disk that has missed nothing; of a replicated one all that a node has had since its start.
bool PersistentCoordinator::counts(Pnn pnn, const holding& held) const {
    if (store_.replicated(held.database)) return held.epoch != 0 || held.seqnum != 0;
    const auto& synced = context_.view.persistent.synced;
    return std::find(synced.begin(), synced.end(), pnn) != synced.end() || context_.planted(Planted::lower_sequence_wins);
}

bool PersistentCoordinator::is_better(const holding& held, const holding& than) const {
    if (context_.planted(Planted::lower_sequence_wins)) return held.seqnum < than.seqnum;
    if (store_.replicated(held.database) && held.epoch != than.epoch)
        return held.epoch > than.epoch || context_.planted(Planted::stale_replica_wins);
    return held.seqnum > than.seqnum;
}

// Of each database the copy with the highest sequence number among those that have missed nothing: all that was answered is in it, and at
// most one transaction that was not. A replicated one's of the latest epoch have missed nothing.
std::map<DatabaseId, std::pair<Pnn, holding>> PersistentCoordinator::winners() const {
    std::map<DatabaseId, std::pair<Pnn, holding>> best;
    for (const auto& [pnn, holdings] : have_) {
        for (const holding& held : holdings) {
            if (!goes_on(held.database)) continue;
            const auto [at, first] = best.try_emplace(held.database, no_node, holding());
            at->second.second.database = held.database;
            if (counts(pnn, held) && (at->second.first == no_node || is_better(held, at->second.second))) at->second = {pnn, held};
        }
    }
    // A database that only others have was never committed to, and is empty.
    for (auto& [database, winner] : best) {
        if (winner.first == no_node) winner.first = context_.config.me;
    }
    return best;
}

void PersistentCoordinator::compare() {
    step_ = Step::bringing;
    newest_ = winners();
    for (const protocol::member& member : context_.view.members) bring_up(member.pnn, have_[member.pnn]);
    have_.clear();
    if (behind_.empty()) open_all();
}

void PersistentCoordinator::bring_up(Pnn pnn, const std::vector<holding>& has) {
    for (const auto& [database, winner] : newest_) {
        const auto& [from, newest] = winner;
        const auto found = std::find_if(has.begin(), has.end(), [id = database](const holding& held) { return held.database == id; });
        const holding theirs = found != has.end() ? *found : holding();
        if (theirs.seqnum == newest.seqnum && theirs.id == newest.id) continue;
        context_.took(Transition::persistent_behind);
        behind_.emplace(pnn, database);
        const bool last_only = newest.has_last && newest.seqnum == theirs.seqnum + 1 && newest.previous == theirs.id;
        transport_.send_body(from, protocol::bring{epoch_, database, pnn, !last_only});
    }
}

void PersistentCoordinator::brought(Pnn from, const protocol::brought& brought) {
    if (step_ != Step::bringing || brought.epoch != epoch_) {
        context_.took(Transition::persistent_stale);
        return;
    }
    behind_.erase({from, brought.database});
    if (behind_.empty()) open_all();
}

void PersistentCoordinator::open_all() {
    step_ = Step::open;
    protocol::opened opened;
    opened.epoch = epoch_;
    for (const auto& [database, winner] : newest_) {
        opened.holdings.push_back(winner.second);
        lines_[database].seqnum = winner.second.seqnum;
    }
    for (const protocol::member& member : context_.view.members) transport_.send_body(member.pnn, opened);
}

void PersistentCoordinator::submitted(Pnn from, protocol::submit& submit) {
    const bool too_many = lines_.size() >= protocol::MAX_PERSISTENT && !lines_.contains(submit.database);
    if (step_ != Step::open || submit.epoch != epoch_ || too_many || !goes_on(submit.database)) {
        context_.took(Transition::transaction_stale);
        return;
    }
    Transaction& arriving = arriving_[{from, submit.database}];
    if (!(arriving.id == submit.id)) arriving = Transaction();
    arriving.from = from;
    arriving.id = submit.id;
    arriving.base = submit.base;
    for (auto& write : submit.writes) {
        arriving.bytes += write.key.size() + write.value.size();
        if (arriving.bytes <= limits::max_transaction_bytes) arriving.writes.push_back(std::move(write));
    }
    if (!submit.last) return;
    Transaction transaction = std::move(arriving);
    arriving_.erase({from, submit.database});
    Line& line = lines_[submit.database];
    if (transaction.bytes > limits::max_transaction_bytes || line.queue.size() >= limits::max_queued_transactions)
        return answer(submit.database, line, transaction, transaction_result::NO_ROOM);
    if (line.active) context_.took(Transition::transaction_queued);
    line.queue.push_back(std::move(transaction));
    next(submit.database, line);
}

// One transaction of a database is under way at a time.
void PersistentCoordinator::next(DatabaseId database, Line& line) {
    while (!line.active && !line.queue.empty()) {
        Transaction transaction = std::move(line.queue.front());
        line.queue.pop_front();
        if (transaction.base != protocol::ANY_SEQUENCE && static_cast<uint64_t>(transaction.base) != line.seqnum) {
            context_.took(Transition::transaction_conflict);
            answer(database, line, transaction, transaction_result::CONFLICT);
            continue;
        }
        line.active = std::move(transaction);
        line.failed = false;
        for (const protocol::member& member : context_.view.members) line.missing.insert(member.pnn);
        distribute(database, line);
    }
}

void PersistentCoordinator::distribute(DatabaseId database, const Line& line) {
    context_.took(Transition::transaction_sent);
    protocol::prepare prepare;
    prepare.epoch = epoch_;
    prepare.database = database;
    prepare.seqnum = line.seqnum + 1;
    prepare.id = line.active->id;
    const Writes& writes = line.active->writes;
    in_parts(writes, context_.config.writes_in_part, limits::max_part_bytes, [&](size_t first, size_t count, bool last) {
        prepare.last = last;
        prepare.writes = part_of(writes, first, count);
        for (const protocol::member& member : context_.view.members) transport_.send_body(member.pnn, prepare);
    });
}

void PersistentCoordinator::prepared(Pnn from, const protocol::prepared& prepared) {
    const auto found = lines_.find(prepared.database);
    if (prepared.epoch != epoch_ || found == lines_.end() || !found->second.active || prepared.seqnum != found->second.seqnum + 1) {
        context_.took(Transition::transaction_stale);
        return;
    }
    Line& line = found->second;
    line.missing.erase(from);
    line.failed = line.failed || !prepared.ok;
    const bool enough = line.missing.empty() || (context_.planted(Planted::answers_before_all) && line.missing.size() == 1 && !line.failed);
    if (enough) decide(prepared.database, line);
}

// All disks have it, so whatever happens now it is not lost; or some has not, and it has to go from those that have.
void PersistentCoordinator::decide(DatabaseId database, Line& line) {
    const bool commits = !line.failed;
    const protocol::decided decided{epoch_, database, line.seqnum + 1, commits};
    if (!commits) {
        for (const protocol::member& member : context_.view.members) line.missing.insert(member.pnn);
    }
    for (const protocol::member& member : context_.view.members) transport_.send_body(member.pnn, decided);
    if (!commits) return;
    context_.took(Transition::transaction_committed);
    line.seqnum++;
    finish(database, line, transaction_result::COMMITTED);
}

void PersistentCoordinator::dropped(Pnn from, const protocol::dropped& dropped) {
    const auto found = lines_.find(dropped.database);
    const bool fits = found != lines_.end() && found->second.active && found->second.failed && dropped.seqnum == found->second.seqnum + 1;
    if (dropped.epoch != epoch_ || !fits) {
        context_.took(Transition::transaction_stale);
        return;
    }
    found->second.missing.erase(from);
    if (!found->second.missing.empty()) return;
    context_.took(Transition::transaction_failed);
    finish(dropped.database, found->second, transaction_result::NO_ROOM);
}

void PersistentCoordinator::finish(DatabaseId database, Line& line, transaction_result result) {
    const Transaction transaction = std::move(*line.active);
    line.active.reset();
    line.missing.clear();
    answer(database, line, transaction, result);
    next(database, line);
}

void PersistentCoordinator::answer(DatabaseId database, const Line& line, const Transaction& transaction, transaction_result result) {
    transport_.send_body(transaction.from, protocol::transacted{database, transaction.id, result, line.seqnum});
}

}  // namespace Atoll::ctdb
