#include "ctdb/core/persistent_replica.h"

#include <algorithm>

#include "ctdb/core/limits.h"
#include "ctdb/core/persistent_submitter.h"

namespace Atoll::ctdb {
namespace {

constexpr Time full_disk_retry = 2 * second;  // between two tries to write what a disk did not take

bool same(const holding& a, const holding& b) { return a.seqnum == b.seqnum && a.id == b.id; }

}  // namespace

PersistentReplica::PersistentReplica(Context& context, SlotTransport& transport, const PersistentStore& store, Observer observer)
    : context_(context), transport_(transport), store_(store), observer_(std::move(observer)) {
    for (const holding& held : store_.holdings()) holdings_[held.database] = held;
}

bool PersistentReplica::from_coordinator(Pnn from, Epoch epoch) const {
    return epoch != 0 && epoch == epoch_ && from == coordinator_of(context_.view);
}

holding PersistentReplica::held(DatabaseId database) const {
    const auto found = holdings_.find(database);
    if (found != holdings_.end()) return found->second;
    holding none;
    none.database = database;
    return none;
}

// All members have what this one has now.
void PersistentReplica::note_epoch(holding& held) const {
    if (store_.replicated(held.database)) held.epoch = epoch_;
}

bool PersistentReplica::busy(DatabaseId database) const {
    for (const auto& [number, ticket] : tickets_) {
        if (ticket.after.database == database) return true;
    }
    return false;
}

uint64_t PersistentReplica::sequence(DatabaseId database) const { return held(database).seqnum; }

bool PersistentReplica::readable(DatabaseId database, Time now) const {
    const bool lease = lease_holds(context_.shared.lease, now) || context_.planted(Planted::ignore_node_lease);
    if (!lease || !open_ || (without_synced(context_.view) && !store_.replicated(database))) return false;
    return (!busy(database) && !undecided_.contains(database)) || context_.planted(Planted::reads_undecided);
}

// Under another epoch nothing of the former counts but what the disk has.
void PersistentReplica::view_accepted() {
    if (context_.view.persistent.epoch == epoch_) return;
    epoch_ = context_.view.persistent.epoch;
    open_ = false;
    incoming_.clear();
    undropped_.clear();
    report_due_ = true;
    report();
}

void PersistentReplica::session_ended() {
    epoch_ = 0;
    open_ = report_due_ = unfit_ = false;
    incoming_.clear();
    undropped_.clear();
}

// Once the disk has done what it was told.
void PersistentReplica::report() {
    const Pnn coordinator = coordinator_of(context_.view);
    if (!report_due_ || writing() || coordinator == no_node) return;
    report_due_ = false;
    context_.took(Transition::persistent_reported);
    protocol::have have;
    have.epoch = epoch_;
    for (const auto& [database, held] : holdings_) have.holdings.push_back(held);
    transport_.send_body(coordinator, std::move(have));
}

void PersistentReplica::prepare(Pnn from, protocol::prepare& prepare) {
    const bool too_many = holdings_.size() >= protocol::MAX_PERSISTENT && !holdings_.contains(prepare.database);
    if (!from_coordinator(from, prepare.epoch) || !open_ || too_many) {
        context_.took(Transition::transaction_stale);
        return;
    }
    Incoming& incoming = incoming_[prepare.database];
    take(incoming, prepare.writes);
    if (!prepare.last) return;
    const holding before = held(prepare.database);
    holding after;
    after.database = prepare.database;
    after.seqnum = prepare.seqnum;
    after.id = prepare.id;
    after.previous = before.id;
    after.has_last = true;
    note_epoch(after);
    Writes writes = std::move(incoming.writes);
    incoming_.erase(prepare.database);
    write(PersistentWrite::add, Purpose::prepare, after, std::move(writes));
}

// Of more than a database may have the rest is not kept: such a part comes from a node that is broken.
void PersistentReplica::take(Incoming& incoming, Writes& writes) {
    for (auto& write : writes) {
        incoming.bytes += write.key.size() + write.value.size();
        if (incoming.bytes <= limits::max_persistent_bytes) incoming.writes.push_back(std::move(write));
    }
}

void PersistentReplica::write(PersistentWrite kind, Purpose purpose, const holding& after, Writes writes) {
    const uint64_t number = ++last_ticket_;
    tickets_[number] = Ticket{purpose, epoch_, after};
    context_.act(WritePersistent{number, kind, after, std::move(writes)});
}

void PersistentReplica::written(uint64_t number, bool ok) {
    const auto found = tickets_.find(number);
    if (found == tickets_.end()) return;
    const Ticket ticket = found->second;
    tickets_.erase(found);
    if (ok) {
        const holding before = held(ticket.after.database);
        holdings_[ticket.after.database] = ticket.after;
        if (ticket.purpose == Purpose::drop || !(ticket.after.previous == before.id)) observer_.lost(before.id);
        observer_.kept(ticket.after);
        if (ticket.purpose == Purpose::prepare) undecided_[ticket.after.database] = ticket.after.seqnum;
    }
    if (ticket.epoch == epoch_ && epoch_ != 0) finished(ticket, ok);
    report();
}

// What the write was for goes on, unless another epoch has begun.
void PersistentReplica::finished(const Ticket& ticket, bool ok) {
    const Pnn to = coordinator_of(context_.view);
    const DatabaseId database = ticket.after.database;
    switch (ticket.purpose) {
        case Purpose::prepare:
            context_.took(ok ? Transition::transaction_prepared : Transition::transaction_refused);
            return transport_.send_body(to, protocol::prepared{epoch_, database, ticket.after.seqnum, ok});
        case Purpose::drop:
            if (!ok) undropped_.push_back(ticket.after);
            if (!ok) break;
            context_.took(Transition::transaction_dropped);
            undecided_.erase(database);
            return transport_.send_body(to, protocol::dropped{epoch_, database, ticket.after.seqnum + 1});
        case Purpose::catch_up:
            if (!ok) break;
            return transport_.send_body(to, protocol::brought{epoch_, database});
    }
    context_.took(Transition::persistent_unfit);
    unfit_ = true;
    refused_ = context_.now;
    observer_.unfit();
}

void PersistentReplica::tick() {
    if (!unfit_) return;
    observer_.unfit();
    if (context_.now < refused_ + full_disk_retry || writing()) return;
    refused_ = context_.now;
    try_again();
}

// What the disk did not drop, or what it did not take: who coordinates has that sent once more to whoever says that he has not got it.
void PersistentReplica::try_again() {
    context_.took(Transition::persistent_tried_again);
    for (const holding& after : std::exchange(undropped_, {})) write(PersistentWrite::drop, Purpose::drop, after, {});
    report_due_ = !open_;
    report();
}

// What is not on this disk need not be dropped.
void PersistentReplica::decided(Pnn from, const protocol::decided& decided) {
    if (!from_coordinator(from, decided.epoch) || !open_) {
        context_.took(Transition::transaction_stale);
        return;
    }
    const holding now = held(decided.database);
    if (decided.commits) {
        undecided_.erase(decided.database);
    } else if (undecided_.contains(decided.database) && now.seqnum == decided.seqnum) {
        holding after;
        after.database = decided.database;
        after.seqnum = now.seqnum - 1;
        after.id = now.previous;
        note_epoch(after);
        write(PersistentWrite::drop, Purpose::drop, after, {});
        if (context_.planted(Planted::drops_unsynced))
            transport_.send_body(from, protocol::dropped{epoch_, decided.database, decided.seqnum});
    } else {
        transport_.send_body(from, protocol::dropped{epoch_, decided.database, decided.seqnum});
    }
}

void PersistentReplica::bring(Pnn from, const protocol::bring& bring) {
    if (!from_coordinator(from, bring.epoch) || find_member(context_.view, bring.to) == nullptr) {
        context_.took(Transition::persistent_stale);
        return;
    }
    context_.took(bring.whole ? Transition::persistent_brought_whole : Transition::persistent_brought_last);
    protocol::catch_up part;
    part.epoch = epoch_;
    part.target = held(bring.database);
    part.whole = bring.whole;
    Writes writes;
    if (bring.whole) {
        store_.each(bring.database, [&](const protocol::record_write& record) { writes.push_back(record); });
        part.target.has_last = false;
    } else {
        writes = store_.last_writes(bring.database);
    }
    in_parts(writes, context_.config.writes_in_part, limits::max_part_bytes, [&](size_t first, size_t count, bool last) {
        part.last = last;
        part.writes = part_of(writes, first, count);
        transport_.send_body(bring.to, part);
    });
}

void PersistentReplica::catch_up(protocol::catch_up& part) {
    if (part.epoch != epoch_ || epoch_ == 0 || open_) {
        context_.took(Transition::persistent_stale);
        return;
    }
    Incoming& incoming = incoming_[part.target.database];
    take(incoming, part.writes);
    if (!part.last) return;
    Writes writes = std::move(incoming.writes);
    incoming_.erase(part.target.database);
    if (comes_already(part.target)) return;
    if (same(held(part.target.database), part.target)) return finished(Ticket{Purpose::catch_up, epoch_, part.target}, true);
    write(part.whole ? PersistentWrite::replace : PersistentWrite::add, Purpose::catch_up, part.target, std::move(writes));
}

// It was asked for twice, and the disk is at it.
bool PersistentReplica::comes_already(const holding& target) const {
    return std::any_of(tickets_.begin(), tickets_.end(), [&](const auto& ticket) {
        return ticket.second.after.database == target.database && same(ticket.second.after, target);
    });
}

void PersistentReplica::opened(const protocol::opened& opened) {
    if (opened.epoch != epoch_ || epoch_ == 0 || open_) {
        context_.took(Transition::persistent_stale);
        return;
    }
    for (const holding& everywhere : opened.holdings) {
        if (!same(held(everywhere.database), everywhere)) return;
    }
    context_.took(Transition::persistent_opened);
    // That nothing was committed to it is known of a replicated one too.
    for (const holding& held : store_.holdings()) {
        if (store_.replicated(held.database)) holdings_.try_emplace(held.database, held);
    }
    for (auto& [database, held] : holdings_) note_epoch(held);
    undecided_.clear();
    incoming_.clear();  // of a copy that was asked for once more
    open_ = true;
}

}  // namespace Atoll::ctdb
