#include "ctdb/core/persistent_submitter.h"

#include "ctdb/core/limits.h"

namespace Atoll::ctdb {

using protocol::transaction_result;

void PersistentSubmitter::client_commits(Client client, DatabaseId database, int64_t base, Writes writes) {
    Waiting& waiting = waiting_[client];
    waiting = Waiting();
    waiting.database = database;
    waiting.base = base;
    waiting.writes = std::move(writes);
    if (context_.session == 0) return done(client, transaction_result::NOT_MEMBER, 0);
    if (is_open(database)) send(waiting);
}

// Under a number of its own each time, so that what an earlier attempt has left on some disk is never taken for this one.
void PersistentSubmitter::send(Waiting& waiting) {
    context_.took(Transition::transaction_submitted);
    waiting.asked = true;
    waiting.kept = 0;
    waiting.id = TransactionId{context_.config.me, context_.session, ++last_number_};
    protocol::submit submit;
    submit.epoch = epoch_;
    submit.database = waiting.database;
    submit.id = waiting.id;
    submit.base = waiting.base;
    in_parts(waiting.writes, context_.config.writes_in_part, limits::max_part_bytes, [&](size_t first, size_t count, bool last) {
        submit.last = last;
        submit.writes = part_of(waiting.writes, first, count);
        transport_.send_body(coordinator_of(context_.view), submit);
    });
}

void PersistentSubmitter::transacted(const protocol::transacted& transacted) {
    for (const auto& [client, waiting] : waiting_) {
        if (waiting.asked && waiting.id == transacted.id) return done(client, transacted.result, transacted.seqnum);
    }
}

// What was asked of the former coordinator may have been committed without it. That is known when the databases are open again.
void PersistentSubmitter::view_accepted() {
    if (context_.view.persistent.epoch == epoch_) return;
    epoch_ = context_.view.persistent.epoch;
    open_ = false;
    for (auto& [client, waiting] : waiting_) waiting.asked = false;
}

void PersistentSubmitter::opened() {
    if (open_) return;
    open_ = true;
    std::vector<std::pair<Client, uint64_t>> committed;
    for (auto& [client, waiting] : waiting_) {
        if (!is_open(waiting.database)) continue;
        if (waiting.kept != 0) {
            committed.emplace_back(client, waiting.kept);
        } else {
            send(waiting);
        }
    }
    for (const auto& [client, seqnum] : committed) {
        context_.took(Transition::transaction_recovered);
        done(client, transaction_result::COMMITTED, seqnum);
    }
}

void PersistentSubmitter::session_ended() {
    open_ = false;
    epoch_ = 0;
    while (!waiting_.empty()) {
        const auto& [client, waiting] = *waiting_.begin();
        const bool sent = waiting.id.number != 0;
        if (sent) context_.took(Transition::transaction_unknown);
        done(client, sent ? transaction_result::UNKNOWN : transaction_result::NOT_MEMBER, 0);
    }
}

void PersistentSubmitter::kept(const holding& held) {
    for (auto& [client, waiting] : waiting_) {
        if (waiting.id == held.id) waiting.kept = held.seqnum;
    }
}

void PersistentSubmitter::lost(const TransactionId& id) {
    for (auto& [client, waiting] : waiting_) {
        if (waiting.id == id) waiting.kept = 0;
    }
}

void PersistentSubmitter::done(Client client, transaction_result result, uint64_t seqnum) {
    waiting_.erase(client);
    context_.act(TransactionDone{client, result, seqnum});
}

}  // namespace Atoll::ctdb
