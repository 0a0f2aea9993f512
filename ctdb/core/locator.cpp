#include "ctdb/core/locator.h"

#include <algorithm>

namespace Atoll::ctdb {

bool Locator::may_hold(Pnn pnn) const {
    const protocol::member* member = find_member(context_.view, pnn);
    return member != nullptr && !member->leaving;
}

// It is in the session in which it was in the former view, and may hold records still.
bool Locator::goes_on(Pnn pnn, const protocol::view& former) const {
    const protocol::member* before = find_member(former, pnn);
    return before != nullptr && find_session(context_.view, pnn, before->session) != nullptr && may_hold(pnn);
}

// A slot that this node locates already goes on untouched unless a session that had a record of it has ended, or is leaving.
void Locator::view_accepted(const protocol::view& former) {
    const auto& locators = context_.view.locators;
    collecting_ = 0;
    uncollected_.clear();
    for (Slot slot = 0; slot < locators.size(); slot++) {
        context_.shared.gates[slot].located = locators[slot] == context_.config.me;
        if (locators[slot] != context_.config.me) {
            slots_.erase(slot);
            continue;
        }
        const auto found = slots_.find(slot);
        // It may have been another's in a view that did not come here, and members may have stopped using it for that one's recovery.
        const bool away = found != slots_.end() && found->second.epoch < context_.view.located_since[slot];
        if (found == slots_.end() || away || must_recover(found->second, former)) {
            collect(slot);
        } else {
            forget_waiters(found->second, former);
        }
    }
}

bool Locator::must_recover(const Located& located, const protocol::view& former) const {
    if (located.collecting) return true;
    for (const auto& [pnn, count] : located.held) {
        if (!goes_on(pnn, former)) return true;
    }
    return false;
}

// Whoever asked in a session that has ended waits no more, and who is leaving is told to ask again later. A record that is being recalled
// for nobody is kept by this node.
void Locator::forget_waiters(Located& located, const protocol::view& former) {
    std::erase_if(located.waited, [&](const RecordKey& key) {
        std::vector<Pnn>& queue = located.records.at(key).queue;
        std::erase_if(queue, [&](Pnn pnn) {
            if (goes_on(pnn, former)) return false;
            transport_.send_body(pnn, protocol::refuse{key, 0});
            return true;
        });
        return queue.empty();
    });
}

void Locator::collect(Slot slot) {
    context_.took(Transition::slot_collecting);
    Located& located = slots_[slot];
    located = Located();
    located.epoch = context_.view.id;
    located.collecting = true;
    collecting_++;
    for (const protocol::member& member : context_.view.members) located.missing.insert(member.pnn);
    uncollected_.push_back(slot);
}

void Locator::recover_more() {
    while (has_more()) {
        const protocol::recover recover{uncollected_.front(), context_.view.id};
        uncollected_.pop_front();
        for (const protocol::member& member : context_.view.members) transport_.send_body(member.pnn, recover);
    }
}

// Of two copies the one under the higher RSN is the newer, and of a mirrored record under the same the one that was stored later. A
// dmaster's is never older than its mirror's.
bool Locator::newer(const protocol::copy& one, const protocol::copy& other) const {
    if (one.rsn != other.rsn) return one.rsn > other.rsn;
    if (one.sequence != other.sequence && !context_.planted(Planted::forgets_sequence)) return one.sequence > other.sequence;
    return one.dmaster && !other.dmaster;
}

void Locator::offered(Pnn from, protocol::offer& offer) {
    const auto found = slots_.find(offer.slot);
    if (found == slots_.end() || !found->second.collecting || found->second.epoch != offer.epoch) {
        context_.took(Transition::slot_stale);
        return;
    }
    Located& located = found->second;
    // Copies come by rising key: each stands behind the one before.
    auto behind = located.best.begin();
    for (protocol::copy& copy : offer.copies) {
        const size_t known = located.best.size();
        const auto at =
            located.best.try_emplace(behind != located.best.begin() ? behind : located.best.lower_bound(copy.key), std::move(copy.key));
        const bool first = located.best.size() != known;
        behind = std::next(at);
        Best& best = at->second;
        const Offerer offerer{from, copy.dmaster};
        if (first) {
            best.first = offerer;
        } else {
            best.others.push_back(offerer);
        }
        const bool lower = copy.rsn < best.copy.rsn;
        if (!first && !(context_.planted(Planted::lower_rsn_wins) ? lower : newer(copy, best.copy))) continue;
        best.copy = std::move(copy);
        best.from = from;
    }
    if (!offer.last) return;
    located.missing.erase(from);
    const bool enough = located.missing.empty() || (context_.planted(Planted::recovers_without_all) && located.missing.size() <= 1);
    if (enough) complete(offer.slot, located);
}

void Locator::complete(Slot slot, Located& located) {
    context_.took(Transition::slot_recovered);
    located.collecting = false;
    collecting_--;
    std::map<Pnn, std::vector<RecordKey>> lost;
    while (!located.best.empty()) {
        auto found = located.best.extract(located.best.begin());
        const auto at = located.records.try_emplace(located.records.end(), std::move(found.key()));
        settle(located, at->first, at->second, found.mapped(), lost);
    }
    for (const protocol::member& member : context_.view.members) reopen(slot, located, member.pnn, lost[member.pnn]);
}

// Two may say that they are dmaster when one of them was told otherwise by a recovery that another overtook.
void Locator::reopen(Slot slot, const Located& located, Pnn pnn, const std::vector<RecordKey>& lost) {
    protocol::recovered recovered;
    recovered.slot = slot;
    recovered.epoch = located.epoch;
    for (const RecordKey& key : lost) {
        context_.took(Transition::claim_lost);
        if (recovered.lost.size() == protocol::MAX_COPIES) {
            transport_.send_body(pnn, recovered);
            recovered.lost.clear();
        }
        recovered.lost.push_back(key);
    }
    recovered.last = true;
    transport_.send_body(pnn, std::move(recovered));
}

void Locator::settle(Located& located, const RecordKey& key, Entry& entry, Best& best, std::map<Pnn, std::vector<RecordKey>>& lost) {
    settle_winner(located, entry, key, best);
    const auto note = [&](const Offerer& offerer) {
        note_copy(entry, offerer.pnn);
        if (offerer.claims && offerer.pnn != entry.dmaster) lost[offerer.pnn].push_back(key);
    };
    note(best.first);
    std::ranges::for_each(best.others, note);
}

// A dmaster that is still there keeps its record, and this node a copy if it is a mirrored one; otherwise this node takes the newest copy,
// under a higher RSN than any that exists.
void Locator::settle_winner(Located& located, Entry& entry, const RecordKey& key, Best& best) {
    if (best.copy.dmaster && may_hold(best.from)) {
        context_.took(Transition::winner_claimed);
        if (best.copy.sequence != 0 && best.from != context_.config.me) keep(key, best.copy);
        set_dmaster(located, entry, best.from);
        return;
    }
    context_.took(Transition::winner_copied);
    Copy copy;
    copy.rsn = best.copy.rsn + 1;
    copy.sequence = best.copy.sequence;
    copy.dmaster = true;
    copy.value = std::move(best.copy.value);
    context_.shared.records.write(key, copy);
    set_dmaster(located, entry, context_.config.me);
}

void Locator::keep(const RecordKey& key, protocol::copy& offered) {
    context_.took(Transition::copy_kept);
    Copy copy;
    copy.rsn = offered.rsn;
    copy.sequence = offered.sequence;
    copy.value = std::move(offered.value);
    context_.shared.records.write(key, copy);
}

void Locator::note_copy(Entry& entry, Pnn pnn) const {
    if (pnn != context_.config.me && std::find(entry.copies.begin(), entry.copies.end(), pnn) == entry.copies.end())
        entry.copies.push_back(pnn);
}

void Locator::set_dmaster(Located& located, Entry& entry, Pnn pnn) {
    if (entry.dmaster != no_node && --located.held[entry.dmaster] == 0) located.held.erase(entry.dmaster);
    entry.dmaster = pnn;
    located.held[pnn]++;
}

Locator::Located* Locator::serving(const RecordKey& key, Epoch epoch) {
    const auto found = slots_.find(context_.slot_of(key));
    if (found == slots_.end() || found->second.collecting) return nullptr;
    return found->second.epoch == epoch || context_.planted(Planted::skip_epoch_check) ? &found->second : nullptr;
}

// A record that nobody has is born here, empty.
Locator::Entry& Locator::entry_of(Located& located, const RecordKey& key) {
    const auto [at, born] = located.records.try_emplace(key);
    if (born) {
        Copy copy;
        copy.dmaster = true;
        context_.shared.records.write(key, copy);
        set_dmaster(located, at->second, context_.config.me);
    }
    return at->second;
}

// Another epoch, or ask again later.
void Locator::refuse(Pnn from, const RecordKey& key) {
    const auto found = slots_.find(context_.slot_of(key));
    const bool known = found != slots_.end() && !found->second.collecting && may_hold(from);
    transport_.send_body(from, protocol::refuse{key, known ? found->second.epoch : 0});
}

void Locator::want(Pnn from, const protocol::want& want) {
    Located* located = serving(want.key, want.epoch);
    if (located == nullptr || !may_hold(from)) {
        context_.took(Transition::record_refused);
        return refuse(from, want.key);
    }
    Entry& entry = entry_of(*located, want.key);
    const bool waits = std::find(entry.queue.begin(), entry.queue.end(), from) != entry.queue.end();
    if (waits) return;
    if (entry.recalling || !entry.queue.empty()) context_.took(Transition::record_queued);
    entry.queue.push_back(from);
    located->waited.insert(want.key);
    next(want.key, *located, entry);
}

// To the dmaster, which lends the reader a copy. A record that others wait for, or that nobody has, is to be asked for: the reader has its
// turn behind them.
void Locator::read_want(Pnn from, const protocol::read_want& want) {
    Located* located = serving(want.key, want.epoch);
    const auto found = located != nullptr ? located->records.find(want.key) : decltype(located->records.find(want.key)){};
    if (located == nullptr || !may_hold(from)) {
        context_.took(Transition::record_refused);
        return refuse(from, want.key);
    }
    const bool here = found != located->records.end();
    if (!here || found->second.recalling || !found->second.queue.empty() || found->second.dmaster == from) {
        context_.took(Transition::read_refused);
        return transport_.send_body(from, protocol::delegation{want.key, located->epoch, false, 0, {}});
    }
    context_.took(Transition::read_passed_on);
    note_copy(found->second, from);
    transport_.send_body(found->second.dmaster, protocol::delegate{want.key, located->epoch, from});
}

// Recalls the record for the first in the queue. One that has it already is told to look again: it was born there, or came meanwhile.
void Locator::next(const RecordKey& key, Located& located, Entry& entry) {
    while (!entry.recalling && !entry.queue.empty()) {
        if (entry.queue.front() == entry.dmaster) {
            entry.queue.erase(entry.queue.begin());
            context_.took(Transition::record_there);
            transport_.send_body(entry.dmaster, protocol::refuse{key, located.epoch});
            continue;
        }
        entry.recalling = true;
        context_.took(Transition::record_recalled);
        transport_.send_body(entry.dmaster, protocol::recall{key, located.epoch});
    }
    if (entry.queue.empty()) located.waited.erase(key);
}

void Locator::yielded(Pnn from, protocol::yield& yield) {
    Located* located = serving(yield.key, yield.epoch);
    const auto found = located != nullptr ? located->records.find(yield.key) : decltype(located->records.find(yield.key)){};
    if (located == nullptr || found == located->records.end() ||
        (found->second.dmaster != from && !context_.planted(Planted::skip_epoch_check))) {
        context_.took(Transition::record_stale);
        return;
    }
    Entry& entry = found->second;
    Pnn to = context_.config.me;
    bool sticky = false;
    if (entry.queue.empty()) {
        context_.took(Transition::record_kept);
    } else {
        to = entry.queue.front();
        entry.queue.erase(entry.queue.begin());
        sticky = sticky_.moved(yield.key, !entry.queue.empty());
    }
    // This node's copy stands in for the one that travels, should the new dmaster be lost with it.
    Copy kept;
    kept.rsn = yield.rsn;
    kept.sequence = yield.sequence;
    kept.value = yield.value;
    context_.shared.records.write(yield.key, kept);
    set_dmaster(*located, entry, to);
    entry.recalling = false;
    note_copy(entry, from);
    note_copy(entry, to);
    context_.took(Transition::record_given);
    transport_.send_body(to,
                         protocol::give{yield.key, located->epoch, yield.rsn + 1, yield.sequence, from, sticky, std::move(yield.value)});
    next(yield.key, *located, entry);
}

const Locator::Entry* Locator::find(const RecordKey& key) const {
    const auto located = slots_.find(context_.slot_of(key));
    if (located == slots_.end() || located->second.collecting) return nullptr;
    const auto found = located->second.records.find(key);
    return found != located->second.records.end() ? &found->second : nullptr;
}

bool Locator::is_unused(const RecordKey& key, Copy& copy) const {
    const Entry* entry = find(key);
    if (entry == nullptr || entry->dmaster != context_.config.me || entry->recalling || !entry->queue.empty()) return false;
    return context_.shared.records.read(key, copy) && copy.dmaster && copy.holder == 0 && !copy.wanted && copy.value.empty();
}

// A mirrored one may have been with any of them.
std::set<Pnn> Locator::copies_of(const RecordKey& key) const {
    std::set<Pnn> nodes;
    const Entry* entry = find(key);
    Copy copy;
    if (entry == nullptr || (context_.shared.records.read(key, copy) && copy.sequence != 0)) {
        for (const protocol::member& member : context_.view.members) nodes.insert(member.pnn);
    } else {
        for (const Pnn pnn : entry->copies) {
            if (find_member(context_.view, pnn) != nullptr) nodes.insert(pnn);
        }
    }
    nodes.erase(context_.config.me);
    return nodes;
}

bool Locator::forget(const RecordKey& key) {
    Copy copy;
    const bool planted = context_.planted(Planted::vacuums_in_flight);
    if (!is_unused(key, copy) && !(planted && find(key) != nullptr && context_.shared.records.read(key, copy))) return false;
    if (!context_.shared.records.remove(key, copy)) return false;
    Located& located = slots_[context_.slot_of(key)];
    const auto found = located.records.find(key);
    if (--located.held[found->second.dmaster] == 0) located.held.erase(found->second.dmaster);
    located.records.erase(found);
    return true;
}

}  // namespace Atoll::ctdb
